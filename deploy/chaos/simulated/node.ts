import type { NodeKey } from '@cronium/contracts';
import { createLogger, createMetrics } from '@cronium/telemetry';
import { Journal, openJournal } from '../../../services/worker/src/journal/journal.ts';
import type { NodeSettings } from '../../../services/worker/src/node/settings.ts';
import { WorkerNode } from '../../../services/worker/src/node/worker-node.ts';
import { ResultsError } from '../../../services/worker/src/report/results-client.ts';
import { SandboxError } from '../../../services/worker/src/sandbox/runtime.ts';
import type { Span } from '../lives.ts';
import type { Random } from '../random.ts';
import { type SimulatedHost, SimulatedRuntime } from './docker.ts';
import { simulatedLink } from './link.ts';
import { type SimulatedResults, simulatedResultsClient } from './results.ts';
import type { SimulatedValkey } from './valkey.ts';
import { SimProcess, type VirtualTime } from './virtual-time.ts';
import { Wire } from './wire.ts';

export interface SimulatedNodeOptions {
  readonly settings: NodeSettings;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly valkey: SimulatedValkey;
  readonly results: SimulatedResults;
  readonly machine: SimulatedHost;
}

const WIRES = ['valkey', 'results', 'docker'] as const;
export type WireName = (typeof WIRES)[number];

/** The jobs’ time to end, and what the worker allows itself for its own, whatever is away. */
const END_MS = 18_000;
/** Its signature is never looked at here. */
const KEY: NodeKey = { privateJwk: {}, publicJwk: { kty: 'OKP', crv: 'Ed25519', x: 'x', kid: 'sim' } };
const LOG = createLogger({ service: 'worker', level: 'silent' });

/** A machine with the real worker on it, which can be killed, stopped, cut off and started again. */
export class SimulatedNode implements Disposable {
  readonly name: string;
  readonly machine: SimulatedHost;
  /** When its worker or its daemon could not act. */
  readonly away: Span[] = [];
  /** When it took too long after SIGTERM. */
  readonly slowEnds: string[] = [];
  #endingSinceMs: number | undefined;
  /** Its disk: what was written there is there for whoever comes next. */
  readonly #disk = openJournal(':memory:', '');
  readonly #options: SimulatedNodeOptions;
  readonly #broken = new Map<WireName, Map<string, 'cut' | 'silent'>>();
  readonly #losses = new Map<WireName, number>();
  readonly #slow = new Map<WireName, number>();
  #running:
    | { process: SimProcess; node: WorkerNode; journal: Journal; wires: Record<WireName, Wire> }
    | undefined;

  constructor(options: SimulatedNodeOptions) {
    this.#options = options;
    this.name = options.settings.node;
    this.machine = options.machine;
  }

  /** Starts the worker, if it does not run. */
  start(): void {
    if (this.#running !== undefined) return;
    const { settings, time, random, valkey, results, machine } = this.#options;
    const process = new SimProcess();
    const wires = this.#wires(process);
    const journal = new Journal(settings.stateDir, this.#disk);
    const link = simulatedLink({ valkey, wire: wires.valkey, process, time, settings });
    const runtime = new SimulatedRuntime({ machine, wire: wires.docker, time, process });
    const node = time.inside(process, () => {
      const started = new WorkerNode({
        ...{ settings, link, runtime, journal, nodeKey: KEY, log: LOG },
        registry: createMetrics('worker', {}, { ofProcess: false }),
        results: simulatedResultsClient(results, wires.results),
        hostFacts: () => ({ load1: 0 }),
        signToken: async () => `token-${random.whole(0, 2 ** 30)}`,
      });
      started.start();
      return started;
    });
    this.#running = { process, node, journal, wires };
  }

  /** SIGKILL. */
  kill(): void {
    const { elapsedMs } = this.#options.time;
    if (this.#endingSinceMs !== undefined && elapsedMs - this.#endingSinceMs > END_MS)
      this.slowEnds.push(`${this.name} did not end from ${this.#endingSinceMs} to ${elapsedMs} ms`);
    this.#endingSinceMs = undefined;
    this.#running?.process.die();
    this.#running?.journal.close();
    this.#running = undefined;
  }

  /** The machine and its disk are thrown away. */
  [Symbol.dispose](): void {
    this.kill();
    this.#disk.close();
  }

  /** SIGTERM; it runs on until it has ended, or is killed. */
  end(): void {
    const ending = this.#running;
    if (ending === undefined) return;
    this.#endingSinceMs = this.#options.time.elapsedMs;
    const { process, node } = ending;
    const stopped = this.#options.time.inside(process, () => node.stop());
    void stopped.then(() => {
      if (this.#running === ending) this.kill();
    });
  }

  stop(): void {
    this.#running?.process.stop();
  }

  go(): void {
    this.#running?.process.go();
  }

  /** Something, named by what it is, breaks a wire or lets go of it. */
  reach(wire: WireName, by: string, reach: 'up' | 'cut' | 'silent'): void {
    const broken = this.#broken.get(wire) ?? new Map();
    this.#broken.set(wire, broken);
    if (reach === 'up') broken.delete(by);
    else broken.set(by, reach);
    this.#running?.wires[wire].set(by, reach);
  }

  /** A share of the answers is lost from now on. */
  lose(wire: WireName, share: number): void {
    this.#losses.set(wire, share);
    const running = this.#running;
    if (running !== undefined) running.wires[wire].losses = share;
  }

  /** What two questions to its daemon may take now: what stands there, and its removal. */
  get lookMs(): number {
    return 4 * (this.#slow.get('docker') ?? 0);
  }

  slow(wire: WireName, slownessMs: number): void {
    this.#slow.set(wire, slownessMs);
    const running = this.#running;
    if (running !== undefined) running.wires[wire].slownessMs = slownessMs;
  }

  /** What it still works on; `undefined` while it does not run. */
  get unfinished(): readonly string[] | undefined {
    if (this.#running === undefined || this.#running.process.state !== 'up') return undefined;
    const { node, journal } = this.#running;
    return [
      ...[...node.running.ids].map((id) => `attempt ${id}`),
      ...journal.entries().map(({ claim }) => `journal ${claim.attemptId}`),
      ...(node.leases.size > 0 ? [`${node.leases.size} leases`] : []),
      ...[...this.machine.host.containers.values()].map(
        ({ identity }) => `container of ${identity.attemptId}`,
      ),
    ];
  }

  #wires(process: SimProcess): Record<WireName, Wire> {
    const { time, random } = this.#options;
    const unanswered: Record<WireName, () => Error> = {
      valkey: () => new Error('Valkey does not answer'),
      results: () => new ResultsError('UNAVAILABLE', 'results is away'),
      docker: () => new SandboxError('docker', 'the daemon does not answer'),
    };
    const one = (name: WireName) => {
      const wire = new Wire({ time, process, random: random.fork(), unanswered: unanswered[name] });
      for (const [by, reach] of this.#broken.get(name) ?? []) wire.set(by, reach);
      wire.losses = this.#losses.get(name) ?? 0;
      wire.slownessMs = this.#slow.get(name) ?? wire.slownessMs;
      return wire;
    };
    return { valkey: one('valkey'), results: one('results'), docker: one('docker') };
  }
}
