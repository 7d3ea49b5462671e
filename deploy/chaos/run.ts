import { runTest } from '../run-test.ts';
import { numberOf, runScript } from '../script-options.ts';
import { CHAOS_VARIABLES, LOADS, type LoadName } from './options.ts';
import { simulateMany } from './simulated/many.ts';

const USAGE = `Breaks a fleet of two workers at random under load, and says what came of it.

Usage: npm run chaos -- [--minutes 1] [--seed 7] [--rounds 1] [--load mixed]
       npm run chaos -- --simulated [--seed 7] [--rounds 1000]

  --minutes    how long things are broken in a round
  --seed       what the faults and jobs are drawn from; 7,12 are two rounds. Default: by the clock
  --rounds     so many rounds, one after the other; each has the next seed
  --load       mixed: jobs of many kinds, and everything breaks; logs: 500 short jobs whose last line does not end and 50
               of 100,000 lines, while workers, results and PostgreSQL are killed
  --simulated  the worker's code on simulated machines, in virtual time; a single round tells its story

The same seed draws the same faults at the same times and the same jobs; what the machine makes of them differs.
A simulated round is the same to the millisecond.`;

interface Rounds {
  readonly minutes: number;
  readonly seeds: readonly number[];
  readonly rounds: number;
  readonly load: LoadName;
}

await runScript({
  name: 'npm run chaos',
  usage: USAGE,
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(1 + (Date.now() % 1_000_000)) },
    rounds: { type: 'string', default: '1' },
    load: { type: 'string', default: 'mixed' },
    simulated: { type: 'boolean', default: false },
  },
  run: async ({ minutes, seed, rounds, load, simulated }) => {
    const known = LOADS.find((name) => name === load);
    if (known === undefined) throw new RangeError(`--load must be ${LOADS.join(' or ')}, not "${load}"`);
    const wanted = { minutes: numberOf('minutes', minutes, 0.1), rounds: numberOf('rounds', rounds, 1) };
    if (!simulated)
      return run({
        ...wanted,
        load: known,
        seeds: seed.split(',').map((one) => numberOf('seed', one, 1)),
      });
    const say = (line: string) => void process.stdout.write(`${line}\n`);
    return (await simulateMany({ seed: numberOf('seed', seed, 1), rounds: wanted.rounds, say })) ? 0 : 1;
  },
});

function run({ minutes, seeds, rounds, load }: Rounds): number {
  process.stdout.write(`chaos: ${rounds} x ${minutes} minutes from seed ${seeds.join()}\n`);
  return runTest('deploy/chaos/round.test.ts', {
    // The rounds have stores of their own.
    CRONIUM_TEST_NEEDS: 'docker,images',
    [CHAOS_VARIABLES.minutes]: String(minutes),
    [CHAOS_VARIABLES.seed]: seeds.join(),
    [CHAOS_VARIABLES.rounds]: String(rounds),
    [CHAOS_VARIABLES.load]: load,
  });
}
