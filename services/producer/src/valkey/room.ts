import type { Redis } from 'ioredis';
import { ValkeyFullError } from '../errors.ts';
import { Seen } from './seen.ts';

/** This share of Valkey's memory is left to what was accepted: claims, locks, events, ends. */
const RESERVE = 0.1;
/** What was seen counts for so long; what is taken meanwhile is added. */
const SEEN_MS = 250;
/** Of a job in its queue, beside its data. */
const JOB_BYTES = 600;

/**
 * How much Valkey can still take. Whoever brings something new asks here first, so that it is refused while there is room
 * for the ends of what was accepted before. Without a `maxmemory`, or where it may not be read, there is always room.
 */
export class ValkeyRoom {
  readonly #valkey: Redis;
  #limit = Number.POSITIVE_INFINITY;
  #used = 0;
  readonly #seen = new Seen(SEEN_MS, () => this.#look());

  constructor(valkey: Redis) {
    this.#valkey = valkey;
  }

  /** As {@link Seen.lookAhead}. */
  lookAhead(): void {
    this.#seen.lookAhead();
  }

  /**
   * Takes room for jobs with so much data.
   * @throws ValkeyFullError; the client's own errors
   */
  async take(dataBytes: readonly number[] = []): Promise<void> {
    await this.#seen.fresh();
    const bytes = dataBytes.reduce((sum, length) => sum + length + JOB_BYTES, 0);
    if (this.#used + bytes > this.#limit) {
      // Room may have been made meanwhile.
      this.#seen.forget();
      throw new ValkeyFullError('what is left of Valkey’s memory is kept for jobs that were accepted before');
    }
    this.#used += bytes;
  }

  async #look(): Promise<void> {
    const { maxmemory = 0, used = 0 } = await this.#memory();
    this.#limit = maxmemory > 0 ? maxmemory * (1 - RESERVE) : Number.POSITIVE_INFINITY;
    this.#used = used;
  }

  async #memory(): Promise<{ readonly maxmemory?: number; readonly used?: number }> {
    try {
      const text = await this.#valkey.info('memory');
      const of = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(text)?.[1] ?? 0);
      // The buffers of replicas and of the append-only file do not count, as Valkey sees it.
      return { maxmemory: of('maxmemory'), used: of('used_memory') - of('mem_not_counted_for_evict') };
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('NOPERM')) return {};
      throw error;
    }
  }
}
