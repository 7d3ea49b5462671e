import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Bed, openBed } from './bed.ts';
import { roundsFrom } from './options.ts';
import { runRound } from './round.ts';

const { rounds, tell } = roundsFrom(process.env);
/** For the start of the bed, the last job's end and the quiet. */
const AROUND_MS = 600_000;

let bed: Bed;
beforeAll(async () => {
  bed = await openBed();
}, AROUND_MS);
afterAll(() => bed?.[Symbol.asyncDispose](), AROUND_MS);

test.each(rounds)(
  'chaos with seed $seed for $durationMs ms: nothing lost, nothing twice, logs exact, nothing left',
  async (plan) => {
    const startedMs = performance.now();
    const say = (line: string) =>
      tell(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(7)} ${line}`);
    const report = await runRound(bed, { ...plan, say });
    tell(JSON.stringify(report, undefined, 2));
    expect(report).toMatchObject({
      ...{ lost: [], duplicated: [], inexact: [], wrong: [] },
      ...{ orphans: [], contradictions: [], failures: [], discrepancies: [] },
    });
    expect(report.accepted).toBeGreaterThan(0);
  },
  Math.max(...rounds.map(({ durationMs }) => durationMs)) + AROUND_MS,
);
