import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jobSpec } from '@cronium/contracts';
import { z } from 'zod';
import { linesOf } from '../http/lines.ts';
import { problems } from '../problems.ts';
import type { ReadLine } from './read-job.ts';

const BUFFER_BYTES = 2 ** 20;
/** Lines that were checked on their way in; only their shape is looked at again. */
const spooled = z.object({ line: z.int(), bytes: z.int(), spec: jobSpec });

/** A good line of a batch. */
export type GoodLine = Extract<ReadLine, { errors?: never }>;

/**
 * The checked jobs of an atomic batch between its two passes, on disk. The file has no name from the moment it exists,
 * so that nothing is left however the process ends.
 */
export class Spool implements AsyncDisposable {
  readonly #file: FileHandle;
  readonly #maxBytes: number;
  #buffered: string[] = [];
  #bufferedBytes = 0;
  #bytes = 0;

  private constructor(file: FileHandle, maxBytes: number) {
    this.#file = file;
    this.#maxBytes = maxBytes;
  }

  static async create(maxBytes: number): Promise<Spool> {
    const folder = await mkdtemp(join(tmpdir(), 'cronium-batch-'));
    try {
      return new Spool(await open(join(folder, 'jobs.ndjson'), 'wx+', 0o600), maxBytes);
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  /** @throws HttpProblem 413 when the batch is too large for this */
  async write({ line, bytes, spec }: GoodLine): Promise<void> {
    const text = `${JSON.stringify({ line, bytes, spec })}\n`;
    this.#buffered.push(text);
    this.#bufferedBytes += text.length;
    this.#bytes += text.length;
    if (this.#bytes > this.#maxBytes) {
      throw problems.tooLarge(
        `With atomic=true the jobs of a batch may have ${this.#maxBytes} bytes together.`,
      );
    }
    if (this.#bufferedBytes >= BUFFER_BYTES) await this.#flush();
  }

  /** All that was written, from the beginning. */
  async *read(): AsyncGenerator<GoodLine> {
    await this.#flush();
    const stream = this.#file.createReadStream({ start: 0, autoClose: false, highWaterMark: BUFFER_BYTES });
    for await (const lines of linesOf(stream, Number.MAX_SAFE_INTEGER)) {
      for (const { bytes } of lines) if (bytes) yield spooled.parse(JSON.parse(bytes.toString()));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }

  async #flush(): Promise<void> {
    const text = this.#buffered.join('');
    this.#buffered = [];
    this.#bufferedBytes = 0;
    if (text !== '') await this.#file.appendFile(text);
  }
}
