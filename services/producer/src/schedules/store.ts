import { type Keys, type ScheduleRecord, scheduleRecord } from '@cronium/contracts';
import type { Redis } from 'ioredis';
import { replies, withValkey } from '../valkey/connection.ts';

/** Replaces a record that is still as it was read, with the place in the order of what is due. */
const REPLACE = `
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
if ARGV[4] == '' then redis.call('ZREM', KEYS[2], ARGV[1]) else redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1]) end
return 1`;

/** A record and its text as it stands in Valkey. */
export interface StoredSchedule {
  readonly record: ScheduleRecord;
  readonly text: string;
}

type Name = Pick<ScheduleRecord, 'tenant' | 'name'>;

/** The schedules in Valkey: a hash of records, and their order by what is due next. Both always change together. */
export class ScheduleStore {
  readonly #valkey: Redis;
  readonly #keys: Keys;

  constructor({ valkey, keys }: { valkey: Redis; keys: Keys }) {
    this.#valkey = valkey;
    this.#keys = keys;
  }

  async get(name: Name): Promise<StoredSchedule | undefined> {
    return this.#read(fieldOf(name));
  }

  /** Writes a record, whatever was there. */
  async put(record: ScheduleRecord): Promise<void> {
    const { schedules, schedulesDue } = this.#keys;
    const field = fieldOf(record);
    const change = this.#valkey.multi().hset(schedules, field, JSON.stringify(record));
    if (record.nextAt === null) change.zrem(schedulesDue, field);
    else change.zadd(schedulesDue, record.nextAt, field);
    replies(await withValkey(() => change.exec()));
  }

  /** Writes a record over the one that was read. Returns false when that one was changed or removed meanwhile. */
  async replace(before: StoredSchedule, record: ScheduleRecord): Promise<boolean> {
    const { schedules, schedulesDue } = this.#keys;
    const args = [fieldOf(record), before.text, JSON.stringify(record), String(record.nextAt ?? '')];
    const done = await withValkey(() => this.#valkey.eval(REPLACE, 2, schedules, schedulesDue, ...args));
    return done === 1;
  }

  /** Returns whether there was one. */
  async remove(name: Name): Promise<boolean> {
    const { schedules, schedulesDue } = this.#keys;
    const field = fieldOf(name);
    const change = this.#valkey.multi().hdel(schedules, field).zrem(schedulesDue, field);
    return replies(await withValkey(() => change.exec()))[0] === 1;
  }

  async list(tenant: string): Promise<ScheduleRecord[]> {
    const all = await withValkey(() => this.#valkey.hvals(this.#keys.schedules));
    return all
      .flatMap((text) => parse(text)?.record ?? [])
      .filter((record) => record.tenant === tenant)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async count(): Promise<number> {
    return withValkey(() => this.#valkey.hlen(this.#keys.schedules));
  }

  /** Those that are due by now, the longest due first. */
  async due(nowMs: number, limit: number): Promise<StoredSchedule[]> {
    const fields = await withValkey(() =>
      this.#valkey.zrangebyscore(this.#keys.schedulesDue, '-inf', nowMs, 'LIMIT', 0, limit),
    );
    const found = await Promise.all(fields.map((field) => this.#read(field)));
    return found.filter((stored) => stored !== undefined);
  }

  /** Keeps other producers from running this schedule for a while; a producer that dies holds it no longer. */
  async claim(name: Name, milliseconds: number): Promise<boolean> {
    const key = this.#keys.scheduleLock(fieldOf(name));
    return (await withValkey(() => this.#valkey.set(key, '1', 'PX', milliseconds, 'NX'))) === 'OK';
  }

  async release(name: Name): Promise<void> {
    await withValkey(() => this.#valkey.unlink(this.#keys.scheduleLock(fieldOf(name))));
  }

  async #read(field: string): Promise<StoredSchedule | undefined> {
    const text = await withValkey(() => this.#valkey.hget(this.#keys.schedules, field));
    return text === null ? undefined : parse(text);
  }
}

function fieldOf({ tenant, name }: Name): string {
  return `${tenant}:${name}`;
}

function parse(text: string): StoredSchedule | undefined {
  const record = scheduleRecord.safeParse(JSON.parse(text)).data;
  return record && { record, text };
}
