import type { DockerClient } from '../docker.ts';
import { FrameDecoder, type StreamName } from './frames.ts';

/** A piece of what a job wrote, with the time at which Docker (or we) read it, Unix ms. */
export interface RawChunk {
  readonly stream: StreamName;
  readonly bytes: Buffer;
  readonly at: number;
}

/** Docker's copier splits longer lines into pieces of this size (moby daemon/logger/copier.go). */
const PIECE_BYTES = 16 * 1024;
/** `2026-01-01T00:00:00.000000000Z ` before each entry. */
const TIMESTAMP_BYTES = 31;
const NEWLINE = 0x0a;
const NEWLINE_BYTES = Buffer.from([NEWLINE]);

/**
 * Restores what one stream of a job wrote from the entries of the `local` driver. Engines before 23 leave out the newline
 * of a line's last piece (moby: daemon/logger/local/read.go); the pieces' sizes tell where one is missing.
 */
export class EntryRestorer {
  /** The entry before was a full piece of a line that goes on. */
  #inLine = false;
  /** The entry before ended a line of several pieces, and had no newline. */
  #owesNewline = false;

  /** The bytes of the next entry, with a newline before it that an engine left out. */
  push(entry: Buffer): Buffer[] {
    const owed = this.#owesNewline ? [NEWLINE_BYTES] : [];
    const hasNewline = entry.at(-1) === NEWLINE;
    const isPiece = !hasNewline && entry.length === PIECE_BYTES;
    this.#owesNewline = this.#inLine && !hasNewline && !isPiece;
    this.#inLine = isPiece;
    return entry.length === 0 ? owed : [...owed, entry];
  }

  /**
   * At the stream's end, true when the last line had several pieces and no newline in the log: an old engine left it
   * out, or the job wrote none.
   */
  get isNewlineUnsure(): boolean {
    return this.#owesNewline;
  }
}

export interface ReadStored {
  /** Go on with what is written from now on, until the container stops. */
  readonly follow: boolean;
  /** Only the last so many entries; the whole log without it. */
  readonly tail?: number;
  readonly signal: AbortSignal;
}

/** Reads the log that Docker keeps of a container, from its beginning. */
export async function* readStored(
  client: DockerClient,
  id: string,
  { follow, tail, signal }: ReadStored,
): AsyncGenerator<RawChunk, { readonly unsure: readonly StreamName[] }> {
  const body = await client.stream({
    operation: `read the log of container ${id.slice(0, 12)}`,
    method: 'GET',
    path: `/containers/${id}/logs`,
    query: { stdout: 1, stderr: 1, timestamps: 1, follow: follow ? 1 : 0, tail: tail ?? 'all' },
    signal,
  });
  const onAbort = () => body.destroy(signal.reason instanceof Error ? signal.reason : undefined);
  signal.addEventListener('abort', onAbort, { once: true });
  const decoder = new FrameDecoder();
  const restorers = { stdout: new EntryRestorer(), stderr: new EntryRestorer() };
  try {
    for await (const data of body) {
      for (const { stream, bytes } of decoder.push(data as Buffer)) {
        const at = Date.parse(bytes.toString('latin1', 0, TIMESTAMP_BYTES - 1));
        for (const part of restorers[stream].push(bytes.subarray(TIMESTAMP_BYTES)))
          yield { stream, bytes: part, at };
      }
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    body.destroy();
  }
  const streams = ['stdout', 'stderr'] as const;
  return { unsure: streams.filter((stream) => restorers[stream].isNewlineUnsure) };
}
