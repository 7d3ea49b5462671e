import type { MiddlewareHandler } from 'hono';
import type { Env } from './auth.ts';

/** Who sends a body. */
export interface Sender {
  readonly tenant: string;
  readonly executionId: string;
}

/** So many bytes of bodies may be in memory at once. */
export interface RoomBytes {
  readonly total: number;
  /** Of one tenant's jobs together. */
  readonly tenant: number;
  /** Of one attempt. At least as much as the longest body. */
  readonly attempt: number;
}

interface Waiting {
  readonly sender: Sender;
  readonly bytes: number;
  readonly enter: () => void;
}

/**
 * Memory for what jobs send. A body's room is taken before it is read; while there is none it waits, unread, so that a job
 * that sends much, or slowly, holds up itself, then its tenant, and never all others. First come, first served, but those
 * whose own share is used up let the others pass.
 */
export class Room {
  readonly #bytes: RoomBytes;
  readonly #used = new Map<string, number>();
  #waiting: readonly Waiting[] = [];

  constructor(bytes: RoomBytes) {
    this.#bytes = bytes;
  }

  /**
   * Resolves when the room is there; disposing gives it back.
   * @throws the signal's reason, when the sender goes away before
   */
  async take(sender: Sender, bytes: number, signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const place: Waiting = { sender, bytes, enter: resolve };
    this.#waiting = [...this.#waiting, place];
    const leave = () => {
      this.#waiting = this.#waiting.filter((one) => one !== place);
      reject(signal.reason);
      this.#letIn();
    };
    signal.addEventListener('abort', leave, { once: true });
    this.#letIn();
    await promise.finally(() => signal.removeEventListener('abort', leave));
    return {
      [Symbol.dispose]: () => {
        this.#add(sender, -bytes);
        this.#letIn();
      },
    };
  }

  #letIn(): void {
    const staying: Waiting[] = [];
    let isFull = false;
    for (const place of this.#waiting) {
      const hasShare = this.#hasShare(place);
      if (hasShare) isFull ||= this.#usedOf('') + place.bytes > this.#bytes.total;
      if (hasShare && !isFull) {
        this.#add(place.sender, place.bytes);
        place.enter();
      } else staying.push(place);
    }
    this.#waiting = staying;
  }

  #hasShare({ sender, bytes }: Waiting): boolean {
    return (
      this.#usedOf(tenantKey(sender)) + bytes <= this.#bytes.tenant &&
      this.#usedOf(attemptKey(sender)) + bytes <= this.#bytes.attempt
    );
  }

  #usedOf(key: string): number {
    return this.#used.get(key) ?? 0;
  }

  #add(sender: Sender, bytes: number): void {
    for (const key of ['', tenantKey(sender), attemptKey(sender)]) {
      const used = this.#usedOf(key) + bytes;
      if (used === 0) this.#used.delete(key);
      else this.#used.set(key, used);
    }
  }
}

const tenantKey = ({ tenant }: Sender): string => `tenant ${tenant}`;
const attemptKey = ({ tenant, executionId }: Sender): string => `attempt ${tenant} ${executionId}`;

/**
 * Lets a request with a body of at most `largest` bytes wait for room; a longer one is refused by its handler.
 * Comes behind the token's check.
 */
export function inRoom(room: Room, largest: number): MiddlewareHandler<Env> {
  return async (c, next) => {
    const { body, signal } = c.req.raw;
    const declared = Number(c.req.header('content-length') ?? (body === null ? 0 : largest));
    if (declared === 0) return next();
    using _room = await room.take(c.get('claims'), Math.min(declared, largest), signal);
    await next();
  };
}
