import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import type { BootstrapContext } from './context.ts';

/** SQLITE_BUSY: another connection has the lock (https://sqlite.org/rescode.html#busy). */
const BUSY = 5;
const ASK_AGAIN_MS = 100;

/**
 * Runs `work` while no other process of this checkout runs work under the same name. The lock is the operating system's,
 * on a file that SQLite opens: it ends with its holder, however that ends, so that nobody has to find out whether a
 * holder still lives. Locks are not re-entrant.
 */
export async function withLock<T>(
  context: BootstrapContext,
  name: string,
  work: () => Promise<T>,
): Promise<T> {
  const folder = join(context.home, 'locks');
  mkdirSync(folder, { recursive: true });
  const holder = join(folder, `${name}.holder`);
  using lock = new DatabaseSync(join(folder, `${name}.lock.db`), { timeout: 0 });
  let told = false;
  while (!tryTake(lock)) {
    if (!told && !isHeldHere(holder)) {
      context.report(`Waiting for another run that prepares ${name}.`);
      told = true;
    }
    await delay(ASK_AGAIN_MS);
  }
  writeFileSync(holder, String(process.pid));
  return await work();
}

function tryTake(lock: DatabaseSync): boolean {
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    if (error instanceof Error && 'errcode' in error && error.errcode === BUSY) return false;
    throw error;
  }
}

/** For the message alone: does this very process hold the lock, for other work that it does at the same time? */
function isHeldHere(holder: string): boolean {
  try {
    return readFileSync(holder, 'utf8') === String(process.pid);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return true;
    throw error;
  }
}
