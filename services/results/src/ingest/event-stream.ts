import { EVENTS_GROUP, type FleetEvent, fleetEvent, readRecord } from '@cronium/contracts';
import type { Redis } from 'ioredis';
import { replies } from '../queue/replies.ts';

/** An entry of the events stream; `event` is absent when its text is not an event. */
export interface StreamEntry {
  readonly id: string;
  readonly event: FleetEvent | undefined;
  readonly text: string;
}

const COUNT = 100;
/** Entries that a consumer holds for longer than this may be taken over: it is dead, or slow, and twice is harmless. */
const DEAD_AFTER_MS = 15_000;
/** A consumer that was silent for so long and holds nothing is forgotten. */
const FORGET_AFTER_MS = 3_600_000;

/**
 * One consumer of the events stream. Its connection is its own, because reading blocks it. Entries stay in the stream
 * until {@link done}.
 */
export class EventStream {
  readonly consumer: string;
  readonly #valkey: Redis;
  readonly #stream: string;

  constructor(valkey: Redis, stream: string, consumer: string) {
    this.#valkey = valkey.duplicate({ lazyConnect: true });
    this.#valkey.on('error', () => undefined);
    this.#stream = stream;
    this.consumer = consumer;
  }

  /** Makes the consumer group if it is not there. */
  async prepare(): Promise<void> {
    if (this.#valkey.status === 'wait') await this.#valkey.connect();
    try {
      await this.#valkey.xgroup('CREATE', this.#stream, EVENTS_GROUP, '0', 'MKSTREAM');
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('BUSYGROUP'))) throw error;
    }
  }

  /** Waits up to `blockMs` for new entries. */
  async read(blockMs: number): Promise<StreamEntry[]> {
    const args = [EVENTS_GROUP, this.consumer, 'COUNT', COUNT, 'BLOCK', blockMs] as const;
    const reply = await this.#valkey.xreadgroup('GROUP', ...args, 'STREAMS', this.#stream, '>');
    return entriesOf((reply as [string, RawEntry[]][] | null)?.[0]?.[1]);
  }

  /** Takes over what dead consumers hold, this one's own forgotten entries included. */
  async claimDead(minIdleMs = DEAD_AFTER_MS): Promise<StreamEntry[]> {
    const reply = await this.#valkey.xautoclaim(
      this.#stream,
      EVENTS_GROUP,
      this.consumer,
      minIdleMs,
      '0-0',
      'COUNT',
      COUNT,
    );
    return entriesOf((reply as [string, RawEntry[]])[1]);
  }

  /** Acknowledges entries and removes them from the stream. Call it after the commit. */
  async done(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const pipeline = this.#valkey
      .multi()
      .xack(this.#stream, EVENTS_GROUP, ...ids)
      .xdel(this.#stream, ...ids);
    replies(await pipeline.exec());
  }

  /** Forgets consumers that are long gone. */
  async forgetDead(): Promise<void> {
    const consumers = (await this.#valkey.xinfo('CONSUMERS', this.#stream, EVENTS_GROUP)) as unknown[][];
    for (const fields of consumers) {
      const info = new Map(pairs(fields));
      const name = String(info.get('name'));
      if (name === this.consumer || Number(info.get('pending')) > 0) continue;
      if (Number(info.get('idle')) < FORGET_AFTER_MS) continue;
      await this.#valkey.xgroup('DELCONSUMER', this.#stream, EVENTS_GROUP, name);
    }
  }

  /** Ends a read that waits. */
  close(): void {
    this.#valkey.disconnect();
  }
}

type RawEntry = [id: string, fields: string[] | null];

function* pairs(fields: readonly unknown[]): Iterable<[unknown, unknown]> {
  for (let at = 0; at + 1 < fields.length; at += 2) yield [fields[at], fields[at + 1]];
}

function entriesOf(raw: readonly RawEntry[] | undefined): StreamEntry[] {
  return (raw ?? []).map(([id, fields]) => {
    const text = String(new Map(pairs(fields ?? [])).get('event') ?? '');
    return { id, text, event: readRecord(fleetEvent, text) };
  });
}
