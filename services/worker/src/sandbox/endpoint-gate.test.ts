import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startProcess } from '@cronium/testing';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EndpointGate } from './endpoint-gate.ts';
import { HostLock } from './host-lock.ts';

type Kind = 'change' | 'rename';

test('in any order of calls and ends, renames and changes of all workers never overlap, and each runs once', async () => {
  const call = fc.record({
    gate: fc.nat({ max: 2 }),
    kind: fc.constantFrom<Kind>('change', 'rename'),
    fails: fc.boolean(),
    after: fc.nat({ max: 3 }),
    takes: fc.nat({ max: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(call, { maxLength: 20 }), async (plan) => {
      const name = randomUUID();
      const gates = [0, 1, 2].map(() => new EndpointGate(new HostLock(name, { courtesyMs: 2 })));
      const going: Kind[] = [];
      let runs = 0;
      const turns = async (count: number) => {
        for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
      };
      const work = (kind: Kind, takes: number, fails: boolean) => async () => {
        runs += 1;
        going.push(kind);
        expect(new Set(going).size).toBe(1);
        await turns(takes);
        going.splice(going.indexOf(kind), 1);
        if (fails) throw new Error('refused');
      };
      const all = plan.map(async ({ gate, kind, fails, after, takes }) => {
        await turns(after);
        await gates[gate]?.[kind](work(kind, takes, fails));
      });
      const ends = await Promise.allSettled(all);
      expect(ends.map(({ status }) => status === 'rejected')).toEqual(plan.map(({ fails }) => fails));
      expect(runs).toBe(plan.length);
    }),
    { numRuns: 200 },
  );
});

test('a worker that holds the lock and stands still does not stop the others; one that goes on does', async () => {
  const name = randomUUID();
  const script = join(import.meta.dirname, 'testing/lock-holder.ts');
  await using holder = await startProcess({ script, args: [name], ready: /^held$/ });
  let isOver = false;
  const change = new EndpointGate(new HostLock(name, { patienceMs: 4000 })).change(async () => {
    isOver = true;
  });
  // Longer than it waits for a holder that says nothing; the holder may be without a processor for most of that.
  await pause(4500);
  expect(isOver).toBe(false);
  holder.signal('SIGSTOP');
  await change;
});
