import type { IncomingMessage } from 'node:http';
import type { Patience } from './patience.ts';
import { RefusedError, tooLarge, unavailable } from './problems.ts';

/** A body in memory; disposing of it gives its room back. */
export interface HeldBody extends Disposable {
  readonly bytes: Uint8Array;
}

/** Reads bodies into memory, of which all of them together take no more than a fixed room. */
export class BodyReader {
  #roomBytes: number;

  constructor(roomBytes: number) {
    this.#roomBytes = roomBytes;
  }

  /**
   * Reads a whole body of at most `maxBytes`. Its room is taken before it is read, for as long as there is none it waits:
   * bodies that are half read never wait for each other.
   * @throws RefusedError 413 as soon as more came, 503 when there was no room for as long as the request has patience
   */
  async read(message: IncomingMessage, maxBytes: number, patience: Patience): Promise<HeldBody> {
    const declared = Number(message.headers['content-length'] ?? maxBytes);
    if (declared > maxBytes) throw tooLong(maxBytes);
    await patience.outlast(async () => this.#take(declared), isNoRoom);
    const release = () => {
      this.#roomBytes += declared;
    };
    try {
      return { bytes: await bytesOf(message, maxBytes), [Symbol.dispose]: release };
    } catch (error) {
      release();
      throw error;
    }
  }

  #take(bytes: number): void {
    if (bytes > this.#roomBytes) throw unavailable('Too many large requests at once. Try again.');
    this.#roomBytes -= bytes;
  }
}

const isNoRoom = (error: unknown): boolean => error instanceof RefusedError;

const tooLong = (maxBytes: number) => tooLarge(`The body is longer than ${maxBytes} bytes.`);

async function bytesOf(message: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  // What is left of a refused body is discarded by the server: a client that still sends then gets the answer.
  for await (const part of message.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > maxBytes) throw tooLong(maxBytes);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
