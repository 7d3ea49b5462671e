export type StreamName = 'stdout' | 'stderr';

/** One frame of Docker's multiplexed stream. */
export interface Frame {
  readonly stream: StreamName;
  readonly bytes: Buffer;
}

/** Type, three zeros, length (big endian); see the attach endpoint in Docker's API reference. */
const HEADER_BYTES = 8;
const STDERR = 2;
/** A daemon's frames are at most some tens of KiB; a larger length means that we lost step. */
const MAX_FRAME_BYTES = 64 * 1024 * 1024;
const EMPTY = Buffer.alloc(0);

/** Thrown when a multiplexed stream holds what cannot be a frame. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
  readonly code = 'DOCKER_FRAME';
}

/** Cuts Docker's multiplexed stream into its frames, however the bytes arrive. */
export class FrameDecoder {
  /** The parts of a frame that is not whole yet, and their length. */
  #parts: Buffer[] = [];
  #held = 0;
  #wanted = HEADER_BYTES;

  /** @throws FrameError */
  push(chunk: Buffer): Frame[] {
    this.#parts.push(chunk);
    this.#held += chunk.length;
    // A large frame arrives in many chunks: they are joined once, when it is whole.
    if (this.#held < this.#wanted) return [];
    const data = this.#parts.length === 1 ? chunk : Buffer.concat(this.#parts, this.#held);
    return this.#decode(data);
  }

  #decode(data: Buffer): Frame[] {
    const frames: Frame[] = [];
    let at = 0;
    this.#wanted = HEADER_BYTES;
    while (at + HEADER_BYTES <= data.length) {
      const length = data.readUInt32BE(at + 4);
      if (length > MAX_FRAME_BYTES) throw new FrameError(`a frame of ${length} bytes in Docker's stream`);
      if (at + HEADER_BYTES + length > data.length) {
        this.#wanted = HEADER_BYTES + length;
        break;
      }
      const start = at + HEADER_BYTES;
      const stream = data[at] === STDERR ? 'stderr' : 'stdout';
      frames.push({ stream, bytes: data.subarray(start, start + length) });
      at = start + length;
    }
    this.#keep(at === data.length ? EMPTY : data.subarray(at));
    return frames;
  }

  #keep(rest: Buffer): void {
    this.#parts = rest.length === 0 ? [] : [rest];
    this.#held = rest.length;
  }
}
