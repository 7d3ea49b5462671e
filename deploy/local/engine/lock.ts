import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { BootstrapContext } from './context.ts';
import { isAlive, startOf } from './run.ts';

/** A lock file is created first and written a moment later; one that stays empty has lost its writer. */
const EMPTY_GRACE_MS = 5000;

/**
 * Runs `work` while no other process of this checkout runs work under the same name. A lock whose holder died is taken
 * over. Locks are not re-entrant.
 */
export async function withLock<T>(
  context: BootstrapContext,
  name: string,
  work: () => Promise<T>,
): Promise<T> {
  const path = join(context.home, 'locks', `${name}.lock`);
  mkdirSync(dirname(path), { recursive: true });
  let told = false;
  while (!tryTake(path)) {
    if (dropIfStale(path)) continue;
    if (!told && !heldHere(path)) {
      context.report(`Waiting for another run that prepares ${name}.`);
      told = true;
    }
    await delay(100);
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

function tryTake(path: string): boolean {
  try {
    writeFileSync(path, `${process.pid} ${startOf(process.pid) ?? ''}`, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function dropIfStale(path: string): boolean {
  try {
    const [pid, start] = readFileSync(path, 'utf8').split(' ');
    const stale = pid
      ? !isHolder(Number(pid), start ?? '')
      : Date.now() - statSync(path).mtimeMs > EMPTY_GRACE_MS;
    if (stale) rmSync(path, { force: true });
    return stale;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true;
    throw error;
  }
}

/** True when this very process holds the lock, for other work that it does at the same time. */
function heldHere(path: string): boolean {
  try {
    return readFileSync(path, 'utf8').startsWith(`${process.pid} `);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true;
    throw error;
  }
}

function isHolder(pid: number, start: string): boolean {
  return isAlive(pid) && (startOf(pid) ?? '') === start;
}
