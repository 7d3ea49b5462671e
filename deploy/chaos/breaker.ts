import { setTimeout as pause } from 'node:timers/promises';
import type { Bed } from './bed.ts';
import type { Fault, FaultContext } from './faults.ts';
import type { Span } from './lives.ts';
import type { Planned } from './plan.ts';

/** What was broken in a round, and when. */
export class Breaker {
  /** How often each fault was made. */
  readonly made = new Map<string, number>();
  /** What went wrong with breaking or mending: a process that did not end well on SIGTERM, say. */
  readonly failures: string[] = [];
  readonly #bed: Bed;
  readonly #context: FaultContext;
  readonly #say: (line: string) => void;
  /** Of each target one thing is broken at a time, also when a mend takes longer than planned. */
  readonly #lanes = new Map<string, Promise<void>>();
  readonly #broken = new Map<string, Span[]>();

  constructor(bed: Bed, context: FaultContext, say: (line: string) => void) {
    this.#bed = bed;
    this.#context = context;
    this.#say = say;
  }

  /** Follows a plan; resolves when all is whole again. What is late because a mend took long is left out past the end. */
  async run(plan: readonly Planned<Fault>[], durationMs: number): Promise<void> {
    const startedMs = performance.now();
    const passedMs = () => performance.now() - startedMs;
    await Promise.all(
      plan.map(async (planned) => {
        await pause(Math.max(0, planned.atMs - passedMs()));
        const before = this.#lanes.get(planned.fault.target) ?? Promise.resolve();
        const lane = before.then(() => (passedMs() < durationMs ? this.#make(planned) : undefined));
        this.#lanes.set(planned.fault.target, lane);
        await lane;
      }),
    );
  }

  /** When each node's worker or daemon could not act, by node. */
  away(): Map<string, Span[]> {
    const [first, second] = this.#bed.workers;
    const of = (...targets: readonly string[]) => targets.flatMap((target) => this.#broken.get(target) ?? []);
    return new Map([
      [first.node, of('worker 1')],
      [second.node, of('worker 2', 'dockerd')],
    ]);
  }

  async #make({ fault, forMs }: Planned<Fault>): Promise<void> {
    const fromMs = Date.now();
    this.#say(`${fault.name} for ${forMs} ms`);
    this.made.set(fault.name, (this.made.get(fault.name) ?? 0) + 1);
    await this.#try(fault, 'break', () => fault.break(this.#bed, this.#context));
    await pause(forMs);
    await this.#try(fault, 'mend', () => fault.mend(this.#bed));
    const spans = this.#broken.get(fault.target) ?? [];
    this.#broken.set(fault.target, [...spans, { fromMs, toMs: Date.now() }]);
    this.#say(`${fault.name} is over`);
  }

  async #try(fault: Fault, step: string, run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.failures.push(`${fault.name}, ${step}: ${error instanceof Error ? error.message : error}`);
    }
  }
}
