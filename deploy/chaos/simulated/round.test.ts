import fc from 'fast-check';
import { expect, test } from 'vitest';
import { simulateRound } from './round.ts';

const FAULTLESS = { lost: [], duplicated: [], inexact: [], left: [], wrong: [] };

test('whatever breaks, and when: one end for each job, never two containers at once, logs exact, nothing left', async () => {
  const seeds = fc.integer({ min: 1, max: 1_000_000 });
  await fc.assert(
    fc.asyncProperty(seeds, async (seed) => {
      const report = await simulateRound({ seed });
      expect(report).toMatchObject(FAULTLESS);
      expect(report.accepted).toBeGreaterThan(0);
    }),
    // A seed that fails is named; a smaller one is no simpler.
    { numRuns: 8, endOnFailure: true },
  );
});

test('three nodes, and one', async () => {
  for (const nodes of [1, 3]) expect(await simulateRound({ seed: 7, nodes })).toMatchObject(FAULTLESS);
});

test('a seed gives the same round again, to the millisecond', async () => {
  const [one, again, other] = [
    await simulateRound({ seed: 11 }),
    await simulateRound({ seed: 11 }),
    await simulateRound({ seed: 12 }),
  ];
  expect(again.fingerprint).toBe(one.fingerprint);
  expect(other.fingerprint).not.toBe(one.fingerprint);
});

test('a worker that is stopped past its locks cannot hold its containers still: the round says so, and who ran beside whom', async () => {
  const reports = [];
  for (let seed = 160; seed < 460 && reports.length === 0; seed++) {
    const report = await simulateRound({ seed });
    if (report.unfenced.length > 0) reports.push(report);
  }
  expect(reports[0]?.unfenced[0]).toMatch(/^job_\d+\.\d+ on node-\d and job_\d+\.\d+ on node-\d ran at once/);
});
