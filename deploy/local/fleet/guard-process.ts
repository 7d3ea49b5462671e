import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { startOf } from '../engine/run.ts';
import type { ProcessIdentity } from './files.ts';

/** The process that ends the fleet when this one is killed; see guard.ts. */
export class GuardProcess {
  readonly #child: ChildProcess;

  constructor(home: string) {
    mkdirSync(join(home, 'logs'), { recursive: true });
    const log = openSync(join(home, 'logs', 'guard.log'), 'a', 0o600);
    this.#child = spawn(
      process.execPath,
      [join(import.meta.dirname, 'guard.ts'), home, String(process.pid)],
      {
        stdio: ['pipe', 'ignore', log],
        detached: true,
      },
    );
    closeSync(log);
    // Nothing waits for the guard: it waits for us. Its pipe breaks when somebody kills it.
    this.#child.unref();
    this.#child.stdin?.on('error', () => undefined);
  }

  identity(): ProcessIdentity | null {
    const pid = this.#child.pid;
    return pid === undefined ? null : { pid, start: startOf(pid) };
  }

  /** The fleet has ended in order: nothing is left to guard. */
  dismiss(): void {
    this.#child.kill('SIGKILL');
  }
}
