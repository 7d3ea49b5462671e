import { pause, waitFor } from '@cronium/lifecycle';
import { jobBytes } from '../../../services/worker/src/logs/chunk-builder.ts';
import {
  type AttemptIdentity,
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
} from '../../../services/worker/src/sandbox/runtime.ts';
import type { ScriptedContainer, ScriptedHost } from '../../../services/worker/src/testing/scripted-host.ts';
import type { Life } from '../lives.ts';
import type { SimProcess, VirtualTime } from './virtual-time.ts';
import type { Wire } from './wire.ts';

/** A machine with containers, and what an observer saw of their lives. */
export interface SimulatedHost {
  readonly node: string;
  readonly host: ScriptedHost;
  readonly lives: Map<string, Life>;
}

export interface SimulatedRuntimeOptions {
  readonly machine: SimulatedHost;
  readonly wire: Wire;
  readonly time: VirtualTime;
  readonly process: SimProcess;
}

const STEP_MS = 40;

/** Docker as a worker reaches it over a wire: containers live by a script on their host, whatever becomes of the worker. */
export class SimulatedRuntime implements SandboxRuntime {
  readonly #machine: SimulatedHost;
  readonly #wire: Wire;
  readonly #time: VirtualTime;
  readonly #process: SimProcess;

  constructor({ machine, wire, time, process }: SimulatedRuntimeOptions) {
    this.#machine = machine;
    this.#wire = wire;
    this.#time = time;
    this.#process = process;
  }

  begin(): Disposable {
    return { [Symbol.dispose]: () => undefined };
  }

  async prepare(
    request: SandboxRequest,
    observer: PreparationObserver,
    signal: AbortSignal,
  ): Promise<Sandbox> {
    try {
      for (const one of ['network', 'image', 'sidecar'] as const) {
        observer.begin(one);
        await this.#wire.ask(() => undefined);
        await pause(STEP_MS, signal);
        observer.end(one, {});
      }
      observer.begin('create');
      const container = await this.#wire.ask(() => this.#create(request));
      observer.end('create', {});
      observer.begin('start');
      await pause(STEP_MS, signal);
      observer.end('start', {});
      return this.#sandboxOf(container);
    } catch (error) {
      // Whether it was made is not known: it is removed by its name, and what can't be now, by the reconciler.
      await this.purge(request).catch(() => undefined);
      if (signal.aborted) throw new SandboxError('aborted', 'the preparation was given up', { cause: error });
      throw error;
    }
  }

  /**
   * A container has its job's name: one that waits for a program that never came gives way, where somebody is there to ask
   * for that. What a dead worker had asked for is refused.
   */
  #create(request: SandboxRequest): ScriptedContainer {
    const { host } = this.#machine;
    const others = [...host.containers.values()].filter(({ identity }) => identity.jobId === request.jobId);
    if (others.length > 0 && this.#process.state === 'dead') {
      throw new SandboxError('docker', 'the name is taken', { statusCode: 409 });
    }
    for (const other of others) if (!other.isLaunched) host.remove(other);
    return host.create(request);
  }

  async adopt(binding: SandboxBinding): Promise<Sandbox | undefined> {
    const found = await this.#wire.ask(() => this.#machine.host.containers.get(binding.containerId));
    return found && this.#sandboxOf(found);
  }

  expect(): void {}

  forecast(): void {}

  observe(): Promise<ObservedSandbox[]> {
    return this.#wire.ask(() =>
      [...this.#machine.host.containers.values()].map(({ identity, binding, exit, createdAt }) => ({
        ...identity,
        containerId: binding.containerId,
        running: exit === undefined,
        createdAt,
      })),
    );
  }

  async purge({ jobId, attempt }: AttemptIdentity): Promise<void> {
    const { host } = this.#machine;
    await this.#wire.ask(() => {
      for (const container of [...host.containers.values()]) {
        const { identity } = container;
        if (identity.jobId === jobId && identity.attempt <= attempt) host.remove(container);
      }
    });
  }

  reconcile(
    living: ReadonlySet<string>,
    { graceMs, dryRun, mayRemove = () => true }: ReconcileOptions,
  ): Promise<string[]> {
    const { host } = this.#machine;
    return this.#wire.ask(() => {
      if (!mayRemove()) return [];
      const orphans = [...host.containers.values()].filter(
        ({ identity, createdAt }) => !living.has(identity.attemptId) && createdAt < Date.now() - graceMs,
      );
      if (!dryRun) for (const container of orphans) host.remove(container);
      return orphans.map(({ identity }) => identity.attemptId);
    });
  }

  async blockers(): Promise<readonly { readonly name: string; readonly message: string }[]> {
    const blocker = { name: 'docker', message: 'Docker does not answer' };
    return this.#wire.ask(() => []).catch(() => [blocker]);
  }

  facts(): RuntimeFacts {
    return { docker: { version: 'simulated', cgroup: 'none' }, images: [], folder: undefined };
  }

  capacity(): number {
    return 1000;
  }

  async close(): Promise<void> {}

  #sandboxOf(container: ScriptedContainer): Sandbox {
    const wire = this.#wire;
    const { host } = this.#machine;
    const exited = () => wire.await(() => container.exited);
    return {
      binding: container.binding,
      launch: () => wire.ask(() => this.#launch(container)),
      output: (from, signal) => this.#output(container, from, signal),
      exit: (signal) => waitFor(exited(), signal),
      freeze: () => wire.ask(() => this.#freeze(container)),
      thaw: () => wire.ask(() => this.#thaw(container)),
      kill: async (graceMs) => {
        await wire.ask(() => container.kill(graceMs));
        await exited();
      },
      evidence: () => container.evidence(),
      keepSidecar: (signal) =>
        waitFor(exited(), signal)
          .then(() => undefined)
          .catch(() => undefined),
      release: () => wire.ask(() => host.remove(container)),
    };
  }

  #launch(container: ScriptedContainer): void {
    if (container.exit) throw new SandboxError('docker', 'the container has ended');
    const { jobId, attemptId } = container.identity;
    const { containerId } = container.binding;
    const { node, lives } = this.#machine;
    const startedMs = this.#time.elapsedMs;
    // What is sent to a container that stands still waits in it.
    const frozen = container.isFrozen ? [{ fromMs: startedMs, toMs: Number.POSITIVE_INFINITY }] : [];
    const life: Life = {
      ...{ containerId, node, jobId, attemptId },
      ...{ startedMs, endedMs: Number.POSITIVE_INFINITY, frozen },
    };
    lives.set(containerId, life);
    void container.exited.then(() => {
      life.endedMs = this.#time.elapsedMs;
    });
    this.#machine.host.launch(container);
  }

  #freeze(container: ScriptedContainer): void {
    if (container.isFrozen) return;
    container.freeze();
    const { elapsedMs: fromMs } = this.#time;
    this.#machine.lives.get(container.binding.containerId)?.frozen.push({ fromMs, toMs: Infinity });
  }

  #thaw(container: ScriptedContainer): void {
    if (!container.isFrozen) return;
    container.thaw();
    const frozen = this.#machine.lives.get(container.binding.containerId)?.frozen;
    const last = frozen?.pop();
    if (last !== undefined) frozen?.push({ ...last, toMs: this.#time.elapsedMs });
  }

  async *#output(
    container: ScriptedContainer,
    from: LogOffsets,
    signal: AbortSignal,
  ): AsyncGenerator<LogItem> {
    const seen = { stdout: 0, stderr: 0 };
    for (let index = 0; ; index++) {
      const item = await waitFor(
        this.#wire.await(() => itemAt(container, index)),
        signal,
      );
      if (item === undefined) return;
      if (item.type === 'record') {
        seen[item.record.stream] += jobBytes(item.record);
        if (seen[item.record.stream] <= from[item.record.stream]) continue;
      }
      yield item;
    }
  }
}

/** Waits for an item of the output; `undefined` when there will be none. */
async function itemAt(container: ScriptedContainer, index: number): Promise<LogItem | undefined> {
  for (;;) {
    const { changed } = container;
    const item = container.items[index];
    if (item !== undefined || container.exit !== undefined) return item;
    await changed;
  }
}
