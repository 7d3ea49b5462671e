/**
 * Breaks a fleet of two workers at random under load, and says what came of it.
 *
 *   npm run chaos -- --minutes 1 --seed 7              one round
 *   npm run chaos -- --minutes 1 --seed 1 --rounds 30  seeds 1 to 30, one after the other
 *   npm run chaos -- --minutes 1 --seed 7,12            these seeds
 *   npm run chaos -- --simulated --rounds 1000 --seed 1  the worker's code on simulated machines, in virtual time
 *   npm run chaos -- --simulated --seed 42              one such round, with its story
 *
 * The same seed draws the same faults at the same times and the same jobs; what the machine makes of them differs.
 * A simulated round is the same to the millisecond.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CHAOS_VARIABLES } from './options.ts';
import { simulateMany } from './simulated/many.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    rounds: { type: 'string', default: '1' },
    simulated: { type: 'boolean', default: false },
  },
});
const numbersOf = (name: string, value: string) =>
  name === 'seed' && !values.simulated ? value.split(',') : [value];
const wrong = Object.entries(values).find(
  ([name, value]) => typeof value === 'string' && !numbersOf(name, value).every((one) => Number(one) > 0),
);
if (wrong) {
  process.stderr.write(`--${wrong[0]} must be a number above 0, not ${wrong[1]}\n`);
  process.exitCode = 2;
} else if (values.simulated) {
  const say = (line: string) => void process.stdout.write(`${line}\n`);
  const isGood = await simulateMany({ seed: Number(values.seed), rounds: Number(values.rounds), say });
  process.exitCode = isGood ? 0 : 1;
} else {
  process.exitCode = run();
}

function run(): number {
  const env = {
    ...process.env,
    // The rounds have stores of their own.
    CRONIUM_TEST_NEEDS: 'docker,images',
    [CHAOS_VARIABLES.minutes]: values.minutes,
    [CHAOS_VARIABLES.seed]: values.seed,
    [CHAOS_VARIABLES.rounds]: values.rounds,
  };
  process.stdout.write(`chaos: ${values.rounds} x ${values.minutes} minutes from seed ${values.seed}\n`);
  const script = join(import.meta.dirname, '../local/test.ts');
  const { status } = spawnSync(process.execPath, [script, 'deploy/chaos/round.test.ts'], {
    env,
    stdio: 'inherit',
  });
  return status ?? 1;
}
