import { TestFleet } from './fleet.ts';
import { step } from './scripted-host.ts';

/**
 * A worker in a process of its own, so that a test can stop and kill it: `lone-worker.ts <valkey> <prefix> <lock ms> [name]`.
 * Its jobs run for ever. It prints what happens to them, a line each. SIGUSR2 blocks its event loop for three times the
 * lock; SIGHUP steps its clock by ten minutes, forward first and then back. It says when it stood still for some seconds.
 */
const [url = '', prefix = '', lockMs = '', named] = process.argv.slice(2);
const TICK_MS = 100;
const STANDSTILL_MS = 5000;
const say = (...words: readonly string[]) => void process.stdout.write(`${words.join(' ')}\n`);

const fleet = new TestFleet(url, prefix);
fleet.scripts.long = () => [step.started('main'), step.wait()];
const { name, node } = await fleet.worker({
  ...(named !== undefined && { name: named }),
  settings: { lockMs: Number(lockMs), stalledCheckMs: 200 },
  reconcile: () => {
    say('reconciled');
    return [];
  },
  at: (point, attemptId) => say(point, attemptId),
});
fleet.results.onStored = () => {
  for (const { attemptId, outcome } of fleet.results.updates)
    if (outcome) say('reported', attemptId, outcome.state);
};
process.on('SIGUSR2', () => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3 * Number(lockMs));
  say('blocked');
});
let gaveWay = false;
let tickedAt = performance.now();
setInterval(() => {
  const at = performance.now();
  if (at - tickedAt > STANDSTILL_MS) say('stood still');
  tickedAt = at;
  if (node.gate.has('name') && !gaveWay) say('gave way');
  gaveWay = node.gate.has('name');
}, TICK_MS);
const { now } = Date;
let step10Minutes = 600_000;
process.on('SIGHUP', () => {
  const offset = step10Minutes;
  Date.now = () => now() + offset;
  step10Minutes -= 1_200_000;
  say('stepped', String(offset));
});
process.on('SIGTERM', () => {
  say('running', String(node.running.size));
  fleet.removeFolders();
  process.exit(0);
});
say('up', name);
