import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { readiness } from '@cronium/contracts';
import { eventually, startProcess, type TestProcess } from '@cronium/testing';

const ROOT = resolve(import.meta.dirname, '../../..');
const READY_MS = 180_000;

/** What a service's process is started with. */
export interface ServiceSpec {
  readonly name: string;
  readonly part: 'producer' | 'results' | 'worker';
  readonly env: Readonly<Record<string, string>>;
}

/** What `/ready` answered. */
export interface ReadyAnswer {
  readonly status: number;
  readonly messages: readonly string[];
}

/** One real process of the fleet, which can be killed and started again with the same environment. */
export class Service {
  readonly name: string;
  readonly url: string;
  readonly #spec: ServiceSpec;
  readonly #lines: string[] = [];
  #process: TestProcess | undefined;

  constructor(spec: ServiceSpec) {
    this.#spec = spec;
    this.name = spec.name;
    this.url = `http://127.0.0.1:${spec.env.CRONIUM_PORT}`;
  }

  get pid(): number {
    return this.#running().pid;
  }

  /** Starts the process, if it does not run; it listens when this resolves, and may not be ready yet. */
  async start(): Promise<void> {
    if (this.#process !== undefined) return;
    const { part, env } = this.#spec;
    const script = join(ROOT, 'services', part, 'src/main.ts');
    this.#process = await startProcess({ script, env, ready: /"listening"/, timeoutMs: READY_MS });
  }

  /** Resolves when it is ready. The message of a failure says what is missing. */
  async ready(): Promise<void> {
    await eventually(
      async () => {
        const { status, messages } = await this.whatIsMissing();
        if (status !== 200) throw new Error(messages.join('; '));
        return true;
      },
      { what: `${this.name} is ready`, timeoutMs: READY_MS },
    );
  }

  async whatIsMissing(): Promise<ReadyAnswer> {
    const response = await fetch(`${this.url}/ready`);
    const { checks } = readiness.parse(await response.json());
    const messages = checks.filter(({ ok }) => !ok).map(({ name, message }) => `${name}: ${message}`);
    return { status: response.status, messages };
  }

  /** SIGKILL, and its end is waited for. */
  async kill(): Promise<void> {
    await this.#running().kill('SIGKILL');
    this.#forget();
  }

  /** Sends a signal and does not wait: SIGSTOP, SIGCONT. Nothing happens when it does not run. */
  signal(signal: NodeJS.Signals): void {
    this.#process?.signal(signal);
  }

  /** Ends it somehow. */
  async end(): Promise<void> {
    if (this.#process !== undefined) await this.kill();
  }

  /** Ends it in order. @throws Error when its exit code is not 0. Nothing happens when it does not run. */
  async stop(): Promise<void> {
    if (this.#process === undefined) return;
    const { code, signal } = await this.#process.kill('SIGTERM');
    const tail = this.#process.lines().slice(-20).join('\n');
    this.#forget();
    if (code !== 0)
      throw new Error(`${this.name} ended with ${signal ?? `code ${code}`} on SIGTERM:\n${tail}`);
  }

  /** Writes what all its processes printed into a folder; for people who look for the reason of a failure. */
  async writeLog(folder: string): Promise<void> {
    await writeFile(join(folder, `${this.name}.log`), `${this.lines().join('\n')}\n`);
  }

  /** All that its processes have printed so far. */
  lines(): readonly string[] {
    return [...this.#lines, ...(this.#process?.lines() ?? [])];
  }

  #running(): TestProcess {
    if (this.#process === undefined) throw new Error(`${this.name} does not run`);
    return this.#process;
  }

  #forget(): void {
    this.#lines.push(...(this.#process?.lines() ?? []));
    this.#process = undefined;
  }
}
