import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Packed } from './chunk-builder.ts';

/** What of a tail may stand in memory, compressed; the rest goes to files. */
const MEMORY_BYTES = 4 * 1024 * 1024;

interface Kept extends Omit<Packed, 'body'> {
  /** In memory, or the file's name. */
  readonly body: Uint8Array | string;
}

/** What was left out before the tail. */
export interface Omitted {
  readonly stdout: number;
  readonly stderr: number;
}

/**
 * The last so many bytes of an output whose end is not known yet: chunks go in at the end and fall out at the front.
 */
export class Tail {
  readonly #maxBytes: number;
  readonly #folder: string;
  readonly #kept: Kept[] = [];
  #bytes = 0;
  #inMemory = 0;
  #files = 0;
  #omitted: Omitted = { stdout: 0, stderr: 0 };

  /**
   * @param options.maxBytes of the job's own output
   * @param options.folder for what does not fit into memory; made when it is needed
   */
  constructor(options: { maxBytes: number; folder: string }) {
    this.#maxBytes = options.maxBytes;
    this.#folder = options.folder;
  }

  get omitted(): Omitted {
    return this.#omitted;
  }

  /** A full disk keeps less: what stands first makes room. */
  push(chunk: Packed): void {
    const body = this.#storeOrMakeRoom(chunk.body);
    if (body === undefined) {
      this.#omit(chunk);
      return;
    }
    this.#kept.push({ ...chunk, body });
    this.#bytes += size(chunk);
    while (this.#bytes > this.#maxBytes && this.#kept.length > 1) this.#dropFirst();
  }

  /** The kept chunks in order; each is forgotten as it is taken. */
  *drain(): Generator<Packed> {
    for (let first = this.#kept.shift(); first; first = this.#kept.shift()) {
      yield { ...first, body: this.#load(first.body) };
    }
  }

  /** Removes what is on disk. Idempotent. */
  dispose(): void {
    this.#kept.length = 0;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** @returns `undefined` when there is no room at all */
  #storeOrMakeRoom(body: Uint8Array): Uint8Array | string | undefined {
    for (;;) {
      try {
        return this.#store(body);
      } catch (error) {
        if (!isDiskFull(error)) throw error;
        if (this.#kept.length === 0) return undefined;
        this.#dropFirst();
      }
    }
  }

  #omit({ stdout, stderr }: Omitted): void {
    this.#omitted = { stdout: this.#omitted.stdout + stdout, stderr: this.#omitted.stderr + stderr };
  }

  #dropFirst(): void {
    const first = this.#kept.shift();
    if (!first) return;
    this.#bytes -= size(first);
    this.#omit(first);
    if (typeof first.body === 'string') rmSync(first.body, { force: true });
    else this.#inMemory -= first.body.length;
  }

  #store(body: Uint8Array): Uint8Array | string {
    if (this.#inMemory + body.length <= MEMORY_BYTES) {
      this.#inMemory += body.length;
      return body;
    }
    if (this.#files === 0) mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    this.#files += 1;
    const file = join(this.#folder, String(this.#files));
    try {
      writeFileSync(file, body, { mode: 0o600 });
    } catch (error) {
      rmSync(file, { force: true });
      throw error;
    }
    return file;
  }

  #load(body: Uint8Array | string): Uint8Array {
    if (typeof body !== 'string') {
      this.#inMemory -= body.length;
      return body;
    }
    const bytes = readFileSync(body);
    rmSync(body, { force: true });
    return bytes;
  }
}

function isDiskFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}

function size({ stdout, stderr }: Omitted): number {
  return stdout + stderr;
}
