import type { IncomingMessage } from 'node:http';
import { tooLarge, unavailable } from './problems.ts';

/** A body in memory; disposing of it gives its room back. */
export interface HeldBody extends Disposable {
  readonly bytes: Uint8Array;
}

/** Reads bodies into memory, of which all of them together take no more than a fixed room. */
export class BodyReader {
  readonly #roomBytes: number;
  #usedBytes = 0;

  constructor(roomBytes: number) {
    this.#roomBytes = roomBytes;
  }

  /**
   * Reads a whole body of at most `maxBytes`.
   * @throws RefusedError 413 as soon as more came, 503 when there is no room at the moment
   */
  async read(message: IncomingMessage, maxBytes: number): Promise<HeldBody> {
    const refusal = () => tooLarge(`The body is longer than ${maxBytes} bytes.`);
    if (Number(message.headers['content-length'] ?? 0) > maxBytes) throw refusal();
    const parts: Buffer[] = [];
    let length = 0;
    const release = () => {
      this.#usedBytes -= length;
      length = 0;
    };
    try {
      // What is left of a refused body is discarded by the server: a client that still sends then gets the answer.
      for await (const part of message.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        length += part.length;
        this.#usedBytes += part.length;
        if (length > maxBytes) throw refusal();
        if (this.#usedBytes > this.#roomBytes) {
          throw unavailable('Too many large requests at once. Try again.');
        }
        parts.push(part);
      }
    } catch (error) {
      release();
      throw error;
    }
    return { bytes: Buffer.concat(parts), [Symbol.dispose]: release };
  }
}
