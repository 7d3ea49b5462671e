import type { VariableView } from '@cronium/contracts';
import type { Kysely, Transaction } from 'kysely';
import { withRetry } from '../db/retry.ts';
import type { Database } from '../db/schema.ts';
import { problems } from '../http/problems.ts';
import { refuseOlder, type Writer } from '../queries/attempt-data.ts';
import {
  findWrite,
  getVariable,
  lockVariable,
  putVariable,
  recordWrite,
  removedVersion,
  removeVariable,
  type VariableName,
} from '../queries/variables.ts';
import type { VariableCache } from './cache.ts';
import { type Change, valueText } from './changes.ts';

/** Longer values are not kept a second time with the request that wrote them. */
const KEPT_ANSWER_BYTES = 1024;

/** Who changes a variable, and for which request. */
export interface WriteOptions {
  /** The attempt that writes: an older one than the job's newest is refused. */
  readonly writer?: Writer;
  /** Names the request: sent again, it changes nothing and gets the same answer. */
  readonly request?: string | undefined;
}

/**
 * Tenants' variables. A write is durable, and seen by every later read in every process, when it resolves; writes of one
 * variable happen one after the other.
 */
export class Variables {
  readonly #db: Kysely<Database>;
  readonly #cache: VariableCache;

  constructor(db: Kysely<Database>, cache: VariableCache) {
    this.#db = db;
    this.#cache = cache;
  }

  get(name: VariableName): Promise<VariableView | undefined> {
    return this.#cache.read(name, () => getVariable(this.#db, name));
  }

  /** @throws what `change` throws; HttpProblem 409 for an older attempt, 413 when the value is too long */
  async change(name: VariableName, change: Change, options: WriteOptions = {}): Promise<VariableView> {
    const { request } = options;
    let repeated: VariableView | undefined;
    const changed = await this.#write(name, options, async (trx, begin) => {
      const old = await getVariable(trx, name);
      const before = request === undefined ? undefined : await findWrite(trx, request);
      if (before !== undefined) {
        const value = before.value === null ? (old?.value ?? null) : JSON.parse(before.value);
        repeated = { key: name.key, value, version: before.version };
        return old;
      }
      const value = change(old);
      const text = valueText(value);
      const version = (old?.version ?? (await removedVersion(trx, name))) + 1;
      await begin();
      await putVariable(trx, name, { value: text, version });
      if (request !== undefined) {
        await recordWrite(trx, { request, version, value: text.length > KEPT_ANSWER_BYTES ? null : text });
      }
      return { key: name.key, value, version };
    });
    const answer = repeated ?? changed;
    if (answer === undefined) throw new Error(`the change of ${name.key} left nothing`);
    return answer;
  }

  /** @throws HttpProblem 404 when there is none, 409 for an older attempt */
  async remove(name: VariableName, options: WriteOptions = {}): Promise<void> {
    const { request } = options;
    await this.#write(name, options, async (trx, begin) => {
      const old = await getVariable(trx, name);
      if (request !== undefined && (await findWrite(trx, request)) !== undefined) return old;
      if (old === undefined) throw problems.notFound(`variable ${name.key}`);
      await begin();
      await removeVariable(trx, name);
      if (request !== undefined) await recordWrite(trx, { request, version: old.version, value: null });
      return undefined;
    });
  }

  /** Runs a transaction that has this variable for itself. */
  #write(
    name: VariableName,
    { writer }: WriteOptions,
    run: (trx: Transaction<Database>, begin: () => Promise<void>) => Promise<VariableView | undefined>,
  ): Promise<VariableView | undefined> {
    return this.#cache.write(name, (begin) =>
      withRetry(() =>
        this.#db.transaction().execute(async (trx) => {
          await lockVariable(trx, name);
          if (writer !== undefined) await refuseOlder(trx, writer);
          return await run(trx, begin);
        }),
      ),
    );
  }
}
