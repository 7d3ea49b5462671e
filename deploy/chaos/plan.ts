import type { Random } from './random.ts';

/** What a plan needs to know of a fault. */
export interface FaultKind {
  readonly name: string;
  /** What it breaks: of each target one thing is broken at a time. */
  readonly target: string;
  /** How often it comes, compared with the others. */
  readonly weight: number;
  /** For how long, in milliseconds: at least and at most. */
  readonly lastsMs: readonly [number, number];
}

/** A fault at its time. */
export interface Planned<F extends FaultKind> {
  readonly fault: F;
  /** From the start of the round. */
  readonly atMs: number;
  readonly forMs: number;
}

export interface PlanOptions<F extends FaultKind> {
  readonly faults: readonly F[];
  /** No fault begins later. */
  readonly durationMs: number;
  /** From the beginning of one fault to that of the next, at least and at most. */
  readonly gapMs: readonly [number, number];
}

/** Time for the first jobs to be on their way. */
const QUIET_START_MS = 2000;
/** A target that was mended gets this long to do some work. */
const REST_MS = 2000;

/** Draws which faults come when. The same random numbers give the same plan. */
export function planFaults<F extends FaultKind>(random: Random, options: PlanOptions<F>): Planned<F>[] {
  const { faults, durationMs, gapMs } = options;
  const restsUntil = new Map<string, number>();
  const plan: Planned<F>[] = [];
  for (let atMs = QUIET_START_MS; atMs < durationMs; atMs += random.whole(...gapMs)) {
    const free = faults.filter(({ target }) => (restsUntil.get(target) ?? 0) <= atMs);
    if (free.length === 0) continue;
    const fault = random.weighted(free);
    const forMs = random.whole(...fault.lastsMs);
    restsUntil.set(fault.target, atMs + forMs + REST_MS);
    plan.push({ fault, atMs, forMs });
  }
  return plan;
}
