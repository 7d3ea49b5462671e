import { expect, test } from 'vitest';
import { CHAOS_VARIABLES, roundsFrom } from './options.ts';

const seedsOf = (seed: string, rounds = '1') =>
  roundsFrom({
    [CHAOS_VARIABLES.minutes]: '2',
    [CHAOS_VARIABLES.seed]: seed,
    [CHAOS_VARIABLES.rounds]: rounds,
  }).rounds.map((round) => round.seed);

test('rounds are those of the seeds that are named, and of as many after the last as are asked for', () => {
  expect(seedsOf('7')).toEqual([7]);
  expect(seedsOf('7', '3')).toEqual([7, 8, 9]);
  expect(seedsOf('109,102')).toEqual([109, 102]);
  expect(seedsOf('109,102', '4')).toEqual([109, 102, 103, 104]);
});

test('without a wish it is one short round', () => {
  expect(roundsFrom({}).rounds).toEqual([{ seed: 1, durationMs: 15_000, load: 'mixed' }]);
});

test('a load is named, or it is the mixed one', () => {
  const loadOf = (load: string) => roundsFrom({ [CHAOS_VARIABLES.load]: load }).rounds[0]?.load;
  expect([loadOf('logs'), loadOf('mixed')]).toEqual(['logs', 'mixed']);
});
