import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EndpointGate } from './endpoint-gate.ts';

type Kind = 'change' | 'rename';

test('in any order of calls and ends, renames and changes never overlap, and each runs once', async () => {
  const calls = fc.array(
    fc.record({ kind: fc.constantFrom<Kind>('change', 'rename'), fails: fc.boolean() }),
    {
      maxLength: 20,
    },
  );
  await fc.assert(
    fc.asyncProperty(calls, fc.scheduler(), async (plan, scheduler) => {
      const gate = new EndpointGate();
      const going: Kind[] = [];
      let runs = 0;
      const work = (kind: Kind, fails: boolean) => async () => {
        runs += 1;
        going.push(kind);
        expect(new Set(going).size).toBe(1);
        await scheduler.schedule(Promise.resolve());
        going.splice(going.indexOf(kind), 1);
        if (fails) throw new Error('refused');
      };
      const all = plan.map(({ kind, fails }) =>
        scheduler.schedule(Promise.resolve()).then(() => gate[kind](work(kind, fails))),
      );
      const ends = await scheduler.waitFor(Promise.allSettled(all));
      expect(ends.map(({ status }) => status === 'rejected')).toEqual(plan.map(({ fails }) => fails));
      expect(runs).toBe(plan.length);
    }),
    { numRuns: 300 },
  );
});

test('a change never waits for a rename that waits', async () => {
  const gate = new EndpointGate();
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const order: string[] = [];
  const one = gate.change(() => first.promise);
  const rename = gate.rename(async () => void order.push('rename'));
  const two = gate.change(async () => {
    order.push('change');
    await second.promise;
  });
  first.resolve();
  await one;
  second.resolve();
  await Promise.all([two, rename]);
  expect(order).toEqual(['change', 'rename']);
});
