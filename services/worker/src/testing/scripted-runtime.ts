import { waitFor } from '@cronium/lifecycle';
import { jobBytes } from '../logs/chunk-builder.ts';
import {
  type AttemptIdentity,
  type ExitReport,
  type LogItem,
  type LogOffsets,
  type ObservedSandbox,
  type PreparationObserver,
  type ReconcileOptions,
  type RuntimeFacts,
  type Sandbox,
  type SandboxBinding,
  SandboxError,
  type SandboxRequest,
  type SandboxRuntime,
} from '../sandbox/runtime.ts';
import type { ScriptedContainer, ScriptedHost } from './scripted-host.ts';

/** The moments at which a test may step in. */
export type Point =
  | 'prepare'
  | 'prepared'
  | 'launch'
  | 'launched'
  | 'output'
  | 'exit'
  | 'freeze'
  | 'thaw'
  | 'kill'
  | 'release'
  | 'purge'
  | 'adopt';

export interface ScriptedRuntimeOptions {
  readonly host: ScriptedHost;
  /** Called at each point; may throw (the step fails), or never resolve (the process died here). */
  at?(point: Point, attemptId: string): Promise<void> | void;
  capacity?(): number;
  /** What a reconciliation finds, instead of what truly stands there. */
  reconcile?(dryRun: boolean): string[];
  blockers?(): readonly { readonly name: string; readonly message: string }[];
}

/** A {@link SandboxRuntime} without Docker: containers live by a script on a {@link ScriptedHost}. */
export class ScriptedRuntime implements SandboxRuntime {
  readonly #options: ScriptedRuntimeOptions;
  readonly #host: ScriptedHost;

  #dead = false;

  constructor(options: ScriptedRuntimeOptions) {
    this.#options = options;
    this.#host = options.host;
  }

  /** The process that held this runtime is gone: no call of it ever returns or does anything again. */
  die(): void {
    this.#dead = true;
  }

  async #point(point: Point, attemptId: string): Promise<void> {
    if (!this.#dead) await this.#options.at?.(point, attemptId);
    // It may have died meanwhile.
    if (this.#dead) await new Promise<never>(() => undefined);
  }

  begin({ attemptId }: AttemptIdentity): Disposable {
    const { begun } = this.#host;
    begun.set(attemptId, 'waits');
    const giveBack = () => void (begun.get(attemptId) === 'waits' && begun.set(attemptId, 'given back'));
    return { [Symbol.dispose]: giveBack };
  }

  async prepare(
    request: SandboxRequest,
    observer: PreparationObserver,
    signal: AbortSignal,
  ): Promise<Sandbox> {
    await this.#at('prepare', request.attemptId, signal);
    for (const one of ['network', 'image', 'sidecar', 'create', 'start'] as const) {
      observer.begin(one);
      observer.end(one, {});
    }
    const container = this.#host.create(request);
    this.#host.begun.set(request.attemptId, 'taken');
    try {
      await this.#at('prepared', request.attemptId, signal);
    } catch (error) {
      // A preparation that is given up leaves nothing; a dead process removes nothing.
      if (!this.#dead) this.#host.remove(container);
      throw error;
    }
    return this.#sandboxOf(container);
  }

  async adopt(binding: SandboxBinding): Promise<Sandbox | undefined> {
    await this.#point('adopt', binding.attemptId);
    const container = this.#host.containers.get(binding.containerId);
    return container && this.#sandboxOf(container);
  }

  expect(): void {}

  forecast(): void {}

  async observe(): Promise<ObservedSandbox[]> {
    return [...this.#host.containers.values()].map(({ identity, binding, exit, createdAt }) => ({
      ...identity,
      containerId: binding.containerId,
      running: exit === undefined,
      createdAt,
    }));
  }

  async purge({ jobId, attempt, attemptId }: AttemptIdentity): Promise<void> {
    await this.#point('purge', attemptId);
    for (const container of this.#host.containers.values()) {
      if (container.identity.jobId === jobId && container.identity.attempt <= attempt)
        this.#host.remove(container);
    }
  }

  async reconcile(
    living: ReadonlySet<string>,
    { graceMs, dryRun, mayRemove = () => true }: ReconcileOptions,
  ): Promise<string[]> {
    if (!mayRemove()) return [];
    if (this.#options.reconcile) return this.#options.reconcile(dryRun);
    const before = Date.now() - graceMs;
    const orphans = [...this.#host.containers.values()].filter(
      ({ identity, createdAt }) => !living.has(identity.attemptId) && createdAt < before,
    );
    if (!dryRun) for (const container of orphans) this.#host.remove(container);
    return orphans.map(({ identity }) => identity.attemptId);
  }

  async blockers(): Promise<readonly { readonly name: string; readonly message: string }[]> {
    return this.#options.blockers?.() ?? [];
  }

  facts(): RuntimeFacts {
    return { docker: { version: 'scripted', cgroup: 'none' }, images: ['scripted'], folder: undefined };
  }

  capacity(): number {
    return this.#options.capacity?.() ?? 1000;
  }

  async close(): Promise<void> {}

  #sandboxOf(container: ScriptedContainer): Sandbox {
    const { attemptId } = container.identity;
    const at = (point: Point) => this.#point(point, attemptId);
    return {
      binding: container.binding,
      launch: async () => {
        await at('launch');
        if (container.exit) throw new SandboxError('docker', 'the container has ended');
        this.#host.launch(container);
        await at('launched');
      },
      output: (from, signal) => readOutput(container, from, signal, () => at('output')),
      exit: async (signal): Promise<ExitReport> => {
        const report = await waitFor(container.exited, signal);
        await at('exit');
        return report;
      },
      freeze: async () => {
        await at('freeze');
        container.freeze();
      },
      thaw: async () => {
        await at('thaw');
        container.thaw();
      },
      kill: async (graceMs) => {
        await at('kill');
        container.kill(graceMs);
        await container.exited;
      },
      evidence: () => container.evidence(),
      keepSidecar: (signal) => container.sidecarGone(signal),
      release: async () => {
        await at('release');
        this.#host.remove(container);
      },
    };
  }

  async #at(point: Point, attemptId: string, signal: AbortSignal): Promise<void> {
    await waitFor(this.#point(point, attemptId), signal);
  }
}

async function* readOutput(
  container: ScriptedContainer,
  from: LogOffsets,
  signal: AbortSignal,
  point: () => Promise<void>,
): AsyncGenerator<LogItem> {
  const seen = { stdout: 0, stderr: 0 };
  for (let index = 0; ; ) {
    signal.throwIfAborted();
    const { changed } = container;
    const item = container.items[index];
    if (item === undefined) {
      if (container.exit) return;
      await waitFor(changed, signal);
      continue;
    }
    index += 1;
    await point();
    if (item.type === 'record') {
      seen[item.record.stream] += jobBytes(item.record);
      if (seen[item.record.stream] <= from[item.record.stream]) continue;
    }
    yield item;
  }
}
