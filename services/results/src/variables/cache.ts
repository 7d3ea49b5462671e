import { randomUUID } from 'node:crypto';
import type { Keys, VariableView } from '@cronium/contracts';
import { retry } from '@cronium/lifecycle';
import type { Redis } from 'ioredis';
import { isValkeyAway } from '../http/errors.ts';
import type { VariableName } from '../queries/variables.ts';

const READING = 'r:';
const WRITING = 'w:';
const VALUE = 'v:';
/** A reader that takes longer than this to fetch a value does not fill it in. */
const READING_MS = 10_000;
/** Longer than any transaction: until then a writer that died keeps others from filling the cache. */
const WRITING_MS = 600_000;
const VALUE_MS = 600_000;
/** Longer values are read from the database each time. */
const LONGEST_VALUE = 64 * 1024;

/** Puts the value in the place of the reader's own mark; a writer that came since has removed it. */
const FILL = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`;

/**
 * Ends a writer's mark. Where it is gone, anybody may have filled in what was there before the write, so that is removed;
 * a later writer's mark stays.
 */
const END_WRITE = `
local found = redis.call('GET', KEYS[1])
if found == ARGV[1] and ARGV[2] ~= '' then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
elseif found == ARGV[1] or (found and string.sub(found, 1, 2) ~= '${WRITING}') then
  redis.call('DEL', KEYS[1])
end
return 1`;

/** What a write left: the new value, or nothing when the variable was removed. */
export type Written = VariableView | undefined;

/**
 * Variables in Valkey, beside the database that is the truth (ADR 0016). Each has one key:
 *
 * ```text
 * nothing -> reading (a reader fetches it) -> value
 *    any  -> writing (a writer's transaction) -> value or nothing
 * ```
 *
 * While a writer's mark stands, readers ask the database and fill nothing in; a reader fills in only over its own mark.
 * So a value that is read here was the database's when the read began. Keys carry the run of the Valkey server: one that
 * was restored to an older state, or took over from another, begins with nothing.
 */
export class VariableCache {
  readonly #valkey: Redis;
  readonly #keys: Keys;
  /** Of the present connection, where it was asked for; undefined again when it was not told. */
  #run: Promise<string> | undefined;

  constructor(valkey: Redis, keys: Keys) {
    this.#valkey = valkey;
    this.#keys = keys;
    valkey.on('close', () => {
      this.#run = undefined;
    });
  }

  /** The variable from the cache, else from `load`. While Valkey is away, always from `load`. */
  async read(name: VariableName, load: () => Promise<VariableView | undefined>) {
    const mark = `${READING}${randomUUID()}`;
    const found = await this.#orWithout(this.#mark(name, mark));
    if (found?.startsWith(VALUE)) return parse(found);
    const variable = await load();
    if (found === null) await this.#orWithout(this.#fill(name, mark, variable));
    return variable;
  }

  /**
   * Runs a write. It calls `begin` inside its transaction, when no other write of this variable can be in one and before
   * it changes anything; the cache is right again when this resolves.
   * @throws what `run` throws; when Valkey is away before anything was written, or does not come back after it
   */
  async write(name: VariableName, run: (begin: () => Promise<void>) => Promise<Written>): Promise<Written> {
    const mark = `${WRITING}${randomUUID()}`;
    let begun = false;
    const begin = async () => {
      begun = true;
      await this.#valkey.set(await this.#keyOf(name), mark, 'PX', WRITING_MS);
    };
    let written: Written;
    try {
      written = await run(begin);
    } catch (error) {
      // Whether it was committed is not known: the next reader looks.
      if (begun) await this.#orWithout(this.#end(name, mark, ''));
      throw error;
    }
    if (begun) await this.#end(name, mark, written === undefined ? '' : text(written));
    return written;
  }

  /** Which run of Valkey this connection leads to. @throws when there is none, or it does not say */
  async #askRun(): Promise<string> {
    const lines = await this.#valkey.info('server');
    return /^run_id:(\w+)/m.exec(lines)?.[1] ?? 'unknown';
  }

  /** The key on the connection that the next command is written to. @throws when there is none */
  async #keyOf({ tenant, key }: VariableName): Promise<string> {
    this.#run ??= this.#askRun();
    const asked = this.#run;
    try {
      const run = await asked;
      if (asked !== this.#run) throw new Error('Connection is closed.');
      return this.#keys.variable(run, tenant, key);
    } catch (error) {
      if (asked === this.#run) this.#run = undefined;
      throw error;
    }
  }

  /** What is there; null when the mark was put there now. */
  async #mark(name: VariableName, mark: string): Promise<string | null> {
    return this.#valkey.set(await this.#keyOf(name), mark, 'PX', READING_MS, 'NX', 'GET');
  }

  async #fill(name: VariableName, mark: string, variable: VariableView | undefined): Promise<void> {
    const value = text(variable);
    if (value !== '') await this.#valkey.eval(FILL, 1, await this.#keyOf(name), mark, value, VALUE_MS);
  }

  /** Until it is done the write is not answered: a Valkey that is away for a moment is waited for. */
  async #end(name: VariableName, mark: string, value: string): Promise<void> {
    const end = async () => this.#valkey.eval(END_WRITE, 1, await this.#keyOf(name), mark, value, VALUE_MS);
    await retry(end, { signal: NEVER, attempts: 5, baseMs: 50, maxMs: 1000, when: isValkeyAway });
  }

  /** Undefined while Valkey is away. */
  async #orWithout<T>(asked: Promise<T>): Promise<T | undefined> {
    return asked.catch((error: unknown) => {
      if (!isValkeyAway(error)) throw error;
      return undefined;
    });
  }
}

const NEVER = new AbortController().signal;

/** A missing variable is a value too; a long one is none. */
function text(variable: VariableView | undefined): string {
  const json = JSON.stringify(variable ?? null);
  return json.length > LONGEST_VALUE ? '' : `${VALUE}${json}`;
}

function parse(found: string): VariableView | undefined {
  return JSON.parse(found.slice(VALUE.length)) ?? undefined;
}
