import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { startOf } from '../engine/run.ts';
import type { FleetProcess, Stage } from './files.ts';
import { pause } from './pause.ts';

/** How a process is started and told of. */
export interface SupervisedSpec {
  readonly name: string;
  readonly stage: Stage;
  /** A TypeScript file for this Node.js. */
  readonly script: string;
  readonly env: Readonly<Record<string, string>>;
  readonly log: string;
  report(line: string): void;
  /** Told whenever its process id changes. */
  changed(): void;
}

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 10_000;
/** A process that ran this long was well; its next end counts as the first. */
const WELL_MS = 30_000;

/** A service's process that is started again, with growing pauses, whenever it ends by itself. */
export class SupervisedProcess {
  readonly #spec: SupervisedSpec;
  readonly #stopping = new AbortController();
  #child: ChildProcess | undefined;
  #ends = 0;
  #lastEnd = '';

  constructor(spec: SupervisedSpec) {
    this.#spec = spec;
    this.#spawn();
  }

  get name(): string {
    return this.#spec.name;
  }

  get log(): string {
    return this.#spec.log;
  }

  /** Undefined in the pause before it is started again. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** How often it ended by itself in a row, and how the last time. */
  get ends(): { readonly count: number; readonly last: string } {
    return { count: this.#ends, last: this.#lastEnd };
  }

  identity(): FleetProcess[] {
    const { name, stage } = this.#spec;
    return this.pid === undefined ? [] : [{ name, stage, pid: this.pid, start: startOf(this.pid) }];
  }

  /** SIGTERM, time to finish, SIGKILL; resolves when it is gone. It is not started again. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort();
    const child = this.#child;
    if (child === undefined) return;
    const ended = once(child, 'exit');
    // A stopped process takes no other signal.
    child.kill('SIGCONT');
    child.kill('SIGTERM');
    const timer = setTimeout(() => {
      this.#spec.report(`${this.name} has not ended within ${graceMs / 1000} s: killing it.`);
      child.kill('SIGKILL');
    }, graceMs);
    await ended;
    clearTimeout(timer);
  }

  /** Ends it at once and for good. */
  kill(): void {
    this.#stopping.abort();
    this.#child?.kill('SIGKILL');
  }

  /** In a session of its own, so that a Ctrl-C in the terminal reaches the supervisor alone. */
  #spawn(): void {
    const { script, env, log } = this.#spec;
    mkdirSync(dirname(log), { recursive: true });
    const output = openSync(log, 'a', 0o600);
    const startedAt = performance.now();
    const child = spawn(process.execPath, [script], {
      env,
      stdio: ['ignore', output, output],
      detached: true,
    });
    closeSync(output);
    this.#child = child;
    child.once('error', (error) => this.#ended(error.message, startedAt));
    child.once('exit', (code, signal) => this.#ended(signal ?? `exit code ${code}`, startedAt));
    this.#spec.changed();
  }

  #ended(how: string, startedAt: number): void {
    this.#child = undefined;
    if (this.#stopping.signal.aborted) return;
    this.#ends = performance.now() - startedAt > WELL_MS ? 1 : this.#ends + 1;
    this.#lastEnd = how;
    void this.#startAgain(how);
  }

  async #startAgain(how: string): Promise<void> {
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.#ends - 1));
    this.#spec.report(
      `${this.name} ended (${how}); starting it again in ${pauseMs / 1000} s. Its log: ${this.log}`,
    );
    await pause(pauseMs, this.#stopping.signal);
    if (!this.#stopping.signal.aborted) this.#spawn();
  }
}
