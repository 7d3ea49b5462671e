import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BootstrapContext } from './context.ts';
import { isAlive, startOf, until } from './run.ts';

/**
 * A service that the local fleet uses: started here, or only pointed at by the environment.
 *
 * `start` and `stop` may be called in any order and any number of times; `start` after a crash or a stop brings the
 * same data back at the same URL. What only the environment names is never started or stopped from here.
 */
export interface LocalService extends AsyncDisposable {
  readonly url: string;
  /** Where it came from, for messages. */
  readonly origin: 'environment' | 'path' | 'container' | 'debian' | 'npm';
  /** The process, while one of ours runs. */
  readonly pid: number | undefined;
  start(): Promise<void>;
  /** Ends it in an orderly way and waits until it is gone. */
  stop(): Promise<void>;
  /** Settles when the process that runs now ends, however it ends. Never, for what is not ours. */
  exited(): Promise<void>;
}

/** A service that the environment names: nothing to start, nothing to stop. */
export function givenService(url: string): LocalService {
  const nothing = async (): Promise<void> => {};
  return {
    url,
    origin: 'environment',
    pid: undefined,
    start: nothing,
    stop: nothing,
    exited: () => new Promise<void>(() => {}),
    [Symbol.asyncDispose]: nothing,
  };
}

/** How a `ProcessService` is started, probed and ended. */
export interface ProcessSpec {
  readonly name: string;
  readonly url: string;
  readonly origin: LocalService['origin'];
  /** Holds `process.json` and the log; the data are in a folder below it. */
  readonly dir: string;
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly stopSignal: NodeJS.Signals;
  /** User to run as, where this process is root and the service refuses to be. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** True once it answers; false while it starts. */
  ready(): Promise<boolean>;
}

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 20_000;

/** A server process in a session of its own, so that a Ctrl-C in the terminal does not end it before its users. */
export class ProcessService implements LocalService {
  readonly #context: BootstrapContext;
  readonly #spec: ProcessSpec;
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(context: BootstrapContext, spec: ProcessSpec) {
    this.#context = context;
    this.#spec = spec;
  }

  get url(): string {
    return this.#spec.url;
  }

  get origin(): LocalService['origin'] {
    return this.#spec.origin;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async start(): Promise<void> {
    if (this.#child !== undefined) return;
    await endLeftover(this.#context, this.#spec);
    const child = this.#spawn();
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      const ended = (): void => {
        if (this.#child === child) this.#child = undefined;
        resolve();
      };
      child.once('exit', ended);
      child.once('error', ended);
    });
    try {
      await until(`${this.#spec.name} answering at its port`, () => this.#isReady(), {
        timeoutMs: START_TIMEOUT_MS,
      });
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async #isReady(): Promise<boolean> {
    if (this.#child === undefined) {
      throw new Error(
        `${this.#spec.name} ended while it started. The end of its log:\n${logTail(this.#spec)}`,
      );
    }
    return this.#spec.ready();
  }

  #spawn(): ChildProcess {
    const { command, dir, env, user } = this.#spec;
    const [file = '', ...args] = command;
    const log = openSync(logPath(this.#spec), 'a', 0o600);
    try {
      const child = spawn(file, args, {
        cwd: '/',
        env,
        stdio: ['ignore', log, log],
        detached: true,
        ...user,
      });
      // A running server alone does not keep this process alive; waiting for its end does, see `exited`.
      child.unref();
      if (child.pid !== undefined) recordProcess(dir, child.pid);
      return child;
    } finally {
      closeSync(log);
    }
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child?.pid === undefined) return;
    child.ref();
    await endProcess(child.pid, this.#spec.stopSignal);
    await this.#ended;
    rmSync(join(this.#spec.dir, 'process.json'), { force: true });
  }

  exited(): Promise<void> {
    this.#child?.ref();
    return this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** The process that serves a data folder, and the process that started it. */
interface ProcessRecord {
  readonly pid: number;
  readonly start: string | undefined;
  readonly owner: number;
  readonly ownerStart: string | undefined;
}

function recordProcess(dir: string, pid: number): void {
  const record: ProcessRecord = {
    pid,
    start: startOf(pid),
    owner: process.pid,
    ownerStart: startOf(process.pid),
  };
  writeFileSync(join(dir, 'process.json'), JSON.stringify(record), { mode: 0o600 });
}

/** Ends the process of an earlier run that was killed before it could; refuses when that run still lives. */
async function endLeftover(context: BootstrapContext, spec: ProcessSpec): Promise<void> {
  mkdirSync(spec.dir, { recursive: true });
  const path = join(spec.dir, 'process.json');
  if (!existsSync(path)) return;
  const record = JSON.parse(readFileSync(path, 'utf8')) as ProcessRecord;
  if (isAlive(record.pid) && startOf(record.pid) === record.start) {
    const ownerLives = isAlive(record.owner) && startOf(record.owner) === record.ownerStart;
    if (ownerLives && record.owner !== process.pid) {
      throw new Error(
        `${spec.name} already runs on ${spec.dir} (process ${record.pid}, started by process ${record.owner}). ` +
          'Another local fleet of this checkout is running: stop it first.',
      );
    }
    context.report(`Ending the ${spec.name} that an earlier run left behind (process ${record.pid}).`);
    await endProcess(record.pid, spec.stopSignal);
  }
  rmSync(path, { force: true });
}

async function endProcess(pid: number, signal: NodeJS.Signals): Promise<void> {
  if (!isAlive(pid)) return;
  // A stopped process takes no other signal.
  process.kill(pid, 'SIGCONT');
  process.kill(pid, signal);
  try {
    await until(`Process ${pid} ending`, () => !isAlive(pid), { timeoutMs: STOP_TIMEOUT_MS });
  } catch {
    process.kill(pid, 'SIGKILL');
    await until(`Process ${pid} ending after SIGKILL`, () => !isAlive(pid), { timeoutMs: STOP_TIMEOUT_MS });
  }
}

function logPath(spec: ProcessSpec): string {
  return join(spec.dir, 'server.log');
}

function logTail(spec: ProcessSpec): string {
  return readFileSync(logPath(spec), 'utf8').trimEnd().split('\n').slice(-15).join('\n');
}
