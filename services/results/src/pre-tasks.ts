import type { Deps } from './deps.ts';
import {
  allPreTasks,
  deletePreTask,
  getPreTask,
  lockPreTasks,
  type PreTask,
  putPreTask,
} from './queries/pre-tasks.ts';

type Stores = Pick<Deps, 'db' | 'valkey' | 'keys'>;

export function preTaskOf({ db }: Pick<Deps, 'db'>, tenant: string): Promise<PreTask | undefined> {
  return getPreTask(db, tenant);
}

/**
 * Stores a tenant's script, and copies it to Valkey, from which workers read it, before the transaction ends: a job that
 * begins after this resolves runs it.
 */
export async function savePreTask(
  { db, valkey, keys }: Stores,
  tenant: string,
  source: string,
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await lockPreTasks(trx);
    await putPreTask(trx, { tenant, source, updated_ms: Date.now() });
    await valkey.hset(keys.preTasks, tenant, source);
  });
}

/** Returns whether there was one. */
export async function removePreTask({ db, valkey, keys }: Stores, tenant: string): Promise<boolean> {
  return await db.transaction().execute(async (trx) => {
    await lockPreTasks(trx);
    const there = await deletePreTask(trx, tenant);
    await valkey.hdel(keys.preTasks, tenant);
    return there;
  });
}

/** Makes Valkey's copy right again, also in a Valkey that lost its data. */
export async function mirrorPreTasks({ db, valkey, keys }: Stores): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await lockPreTasks(trx);
    const wanted = await allPreTasks(trx);
    const gone = (await valkey.hkeys(keys.preTasks)).filter((tenant) => !wanted.has(tenant));
    if (wanted.size > 0) await valkey.hset(keys.preTasks, Object.fromEntries(wanted));
    if (gone.length > 0) await valkey.hdel(keys.preTasks, ...gone);
  });
}
