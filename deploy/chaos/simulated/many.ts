import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { isFaultless } from './judge.ts';
import { type SimulatedReport, simulateRound } from './round.ts';

export interface ManyOptions {
  readonly seed: number;
  readonly rounds: number;
  say(line: string): void;
}

/** Its young objects die with each moment of a round. */
const YOUNG_MIB = 128;
const TELL_MS = 15_000;

/**
 * Simulates rounds of seeds that follow one another, on all processors; one round tells its story.
 * @returns did all of them go well?
 */
export async function simulateMany({ seed, rounds, say }: ManyOptions): Promise<boolean> {
  if (rounds === 1) {
    const report = await simulateRound({ seed, say });
    say(JSON.stringify(report, undefined, 2));
    return isFaultless(report);
  }
  const tally = new Tally(say);
  const step = Math.min(rounds, availableParallelism());
  const threads = Array.from({ length: step }, async (_, index) => {
    const workerData = { first: seed + index, step, end: seed + rounds };
    const resourceLimits = { maxYoungGenerationSizeMb: YOUNG_MIB };
    const thread = new Worker(join(import.meta.dirname, 'thread.ts'), { workerData, resourceLimits });
    thread.on('message', (report: SimulatedReport) => tally.add(report));
    await once(thread, 'exit');
  });
  await Promise.all(threads);
  tally.tell();
  return tally.isGood(rounds);
}

/** What the rounds did together. */
class Tally {
  readonly #say: (line: string) => void;
  readonly #startedMs = performance.now();
  readonly #bad: number[] = [];
  #toldMs = performance.now();
  #counts = { rounds: 0, jobs: 0, faults: 0, unfenced: 0, repeated: 0, hours: 0 };

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  add(report: SimulatedReport): void {
    const { rounds, jobs, faults, unfenced, repeated, hours } = this.#counts;
    this.#counts = {
      rounds: rounds + 1,
      jobs: jobs + report.accepted,
      faults: faults + report.faults.length,
      unfenced: unfenced + report.unfenced.length,
      repeated: repeated + report.repeated.length,
      hours: hours + report.tookMs / 3_600_000,
    };
    for (const one of report.repeated) this.#say(`seed ${report.seed}: ${one} was repeated`);
    if (!isFaultless(report)) {
      this.#bad.push(report.seed);
      this.#say(JSON.stringify(report, undefined, 2));
    }
    if (performance.now() - this.#toldMs > TELL_MS) this.tell();
  }

  tell(): void {
    this.#toldMs = performance.now();
    const seconds = (this.#toldMs - this.#startedMs) / 1000;
    const { rounds, jobs, faults, unfenced, repeated, hours } = this.#counts;
    const bad = this.#bad.length === 0 ? 'none failed' : `failed: seeds ${this.#bad.join(', ')}`;
    this.#say(
      `${rounds} rounds (${hours.toFixed(1)} simulated hours, ${jobs} jobs, ${faults} faults) in ${seconds.toFixed(0)} s: ` +
        `${Math.round((rounds / seconds) * 60)} rounds a minute; ${bad}; ${unfenced} unfenced, ${repeated} repeated`,
    );
  }

  isGood(rounds: number): boolean {
    return this.#counts.rounds === rounds && this.#bad.length === 0;
  }
}
