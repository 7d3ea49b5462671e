import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { testEnvironment } from './environment.ts';

/** Every process of a run carries the run's id under this name in its environment. */
export const RUN_VARIABLE = 'TEST_RUN_ID';

/** How {@link startProcess} starts a program. */
export interface StartProcessOptions {
  /** A TypeScript or JavaScript file for this Node.js, by absolute path. */
  readonly script: string;
  readonly args?: readonly string[];
  /** The whole environment apart from PATH, HOME and TMPDIR, so that nothing leaks in from the machine. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** A line of its output that says it is up. Absent: it counts as up at once. */
  readonly ready?: RegExp;
  /** How long it may take to be up. Default 30,000. */
  readonly timeoutMs?: number;
}

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A real child process. `await using service = await startProcess(…)` kills it at the end. */
export interface TestProcess extends AsyncDisposable {
  readonly pid: number;
  /** The match of `ready`, for a port or URL in it. */
  readonly ready: RegExpExecArray | undefined;
  readonly exited: Promise<Exit>;
  /** All lines so far of both outputs. */
  lines(): readonly string[];
  /** The first line, past or future, that matches. Rejects when the process ends without one or time is up. */
  line(pattern: RegExp, options?: { timeoutMs?: number }): Promise<RegExpExecArray>;
  /** Sends a signal (default SIGTERM) to this process alone and waits for its end. */
  kill(signal?: NodeJS.Signals): Promise<Exit>;
  /** Sends a signal and does not wait: SIGSTOP, SIGCONT. */
  signal(signal: NodeJS.Signals): void;
}

/**
 * Starts a program as a child process and waits until it says that it is up.
 * @throws Error with its output when it ends or time is up before that; it is killed then
 */
export async function startProcess(options: StartProcessOptions): Promise<TestProcess> {
  const { PATH = '', HOME = '/', TMPDIR = '/tmp', NODE_COMPILE_CACHE } = process.env;
  const child = spawn(process.execPath, [options.script, ...(options.args ?? [])], {
    cwd: options.cwd,
    env: { PATH, HOME, TMPDIR, NODE_COMPILE_CACHE, [RUN_VARIABLE]: testEnvironment().runId, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = exitOf(child);
  const output = new Lines();
  output.follow(child.stdout);
  output.follow(child.stderr);
  exited.then(({ code, signal }) => output.end(`it ended with ${signal ?? `code ${code}`}`));
  const pid = child.pid;
  if (pid === undefined) throw new Error(`could not start ${options.script}`);
  const kill = async (signal: NodeJS.Signals = 'SIGTERM') => {
    child.kill(signal);
    return exited;
  };
  try {
    const ready = options.ready && (await output.first(options.ready, options.timeoutMs ?? 30_000));
    return {
      pid,
      ready,
      exited,
      lines: () => output.lines,
      line: (pattern, { timeoutMs = 30_000 } = {}) => output.first(pattern, timeoutMs),
      kill,
      signal: (signal) => void child.kill(signal),
      [Symbol.asyncDispose]: async () => void (await kill('SIGKILL')),
    };
  } catch (error) {
    await kill('SIGKILL');
    throw error;
  }
}

/** `close` comes after the last byte of both outputs, `exit` may come before. */
function exitOf(child: ChildProcess): Promise<Exit> {
  const { promise, resolve } = Promise.withResolvers<Exit>();
  child.on('error', () => resolve({ code: null, signal: null }));
  child.on('close', (code, signal) => resolve({ code, signal }));
  return promise;
}

interface Waiter {
  readonly pattern: RegExp;
  found(match: RegExpExecArray): void;
  failed(why: string): void;
}

/** The lines of a process, and who waits for one. */
class Lines {
  readonly lines: string[] = [];
  readonly #waiters = new Set<Waiter>();
  #ended: string | undefined;

  follow(stream: Readable): void {
    createInterface({ input: stream }).on('line', (line) => {
      this.lines.push(line);
      for (const waiter of this.#waiters) {
        const match = waiter.pattern.exec(line);
        if (match) waiter.found(match);
      }
    });
  }

  end(why: string): void {
    this.#ended = why;
    for (const waiter of this.#waiters) waiter.failed(why);
  }

  async first(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray> {
    for (const line of this.lines) {
      const match = pattern.exec(line);
      if (match) return match;
    }
    if (this.#ended !== undefined) throw this.#missing(pattern, this.#ended);
    const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
    const waiter: Waiter = { pattern, found: resolve, failed: (why) => reject(this.#missing(pattern, why)) };
    const timer = setTimeout(() => waiter.failed(`${timeoutMs} ms are over`), timeoutMs);
    this.#waiters.add(waiter);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiters.delete(waiter);
    }
  }

  #missing(pattern: RegExp, why: string): Error {
    const tail = this.lines.slice(-40).join('\n');
    return new Error(`the process printed no line like ${pattern}: ${why}. Its last lines:\n${tail}`);
  }
}
