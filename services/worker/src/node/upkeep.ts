import type { Logger } from '@cronium/telemetry';
import type { Gate, Obstacle } from '../claim/gate.ts';
import type { RuntimeFacts, SandboxRuntime } from '../sandbox/runtime.ts';
import { DiskWatch } from './disk.ts';
import type { Running } from './running.ts';

/** Those in the making belong to a running attempt; an attempt that began while Docker was asked is younger than this. */
const RECONCILE_GRACE_MS = 20_000;

export interface UpkeepOptions {
  readonly runtime: SandboxRuntime;
  readonly gate: Gate;
  /** The node's own: what stands in Docker under another worker's is not this one's to remove. */
  readonly name: {
    /** Asks when the last answer is old. */
    isOurs(): Promise<boolean>;
    /** What is known now. */
    isSure(): boolean;
  };
  readonly running: Running;
  readonly stateDir: string;
  readonly diskMinFreeBytes: number;
  readonly log: Logger;
  /** Told what a reconciliation removed. */
  onReconciled(removed: readonly string[]): void;
}

/** What a node looks after on a timer: may it take jobs, and is anything left behind? */
export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #disk: DiskWatch;
  /** The runtime's latest answer to what keeps it from running jobs. */
  blockers: readonly Obstacle[] = [];
  #reconciling: Promise<unknown> = Promise.resolve();

  constructor(options: UpkeepOptions) {
    this.#options = options;
    const { runtime, stateDir, diskMinFreeBytes: minFreeBytes } = options;
    this.#disk = new DiskWatch({
      minFreeBytes,
      folders: () => [
        stateDir,
        ...(runtime.facts()?.folder === undefined ? [] : [runtime.facts()?.folder ?? '']),
      ],
    });
  }

  /** What the runtime says of itself; `undefined` until it was first checked. */
  get facts(): RuntimeFacts | undefined {
    return this.#options.runtime.facts();
  }

  async checkReadiness(signal: AbortSignal): Promise<void> {
    const { runtime, gate } = this.#options;
    this.blockers = await runtime.blockers(signal);
    const message = this.blockers.map((blocker) => blocker.message).join('; ');
    gate.set('docker', message === '' ? undefined : message);
    gate.set('disk', await this.#disk.obstacle());
  }

  /**
   * Compares what stands in Docker with what this node works on, and removes what no attempt owns; what is younger than
   * the grace is spared. One at a time.
   * @param options.dryRun only says what would be removed
   * @returns its kind and name, each
   */
  reconcile({ dryRun }: { readonly dryRun: boolean }): Promise<readonly string[]> {
    const run = this.#reconciling.then(() => this.#reconcile(dryRun));
    this.#reconciling = run.catch(() => undefined);
    return run;
  }

  async #reconcile(dryRun: boolean): Promise<readonly string[]> {
    const { runtime, running, name, log, onReconciled } = this.#options;
    if (!(await name.isOurs())) return [];
    const options = { graceMs: RECONCILE_GRACE_MS, dryRun, mayRemove: name.isSure };
    const orphans = await runtime.reconcile(running.ids, options);
    if (dryRun) return orphans;
    onReconciled(orphans);
    if (orphans.length > 0) log.warn({ removed: orphans }, 'removed what no attempt owns');
    return orphans;
  }
}
