import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EndpointGate } from './endpoint-gate.ts';

test('in any order of calls and ends, a rename is alone and nothing is forgotten', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('change', 'rename'), { maxLength: 20 }),
      fc.scheduler(),
      async (calls, scheduler) => {
        const gate = new EndpointGate();
        const going: string[] = [];
        let ended = 0;
        const work = (kind: string) => async () => {
          going.push(kind);
          if (going.includes('rename')) expect(going).toEqual(['rename']);
          await scheduler.schedule(Promise.resolve());
          going.splice(going.indexOf(kind), 1);
          ended += 1;
          if (ended % 5 === 0) throw new Error('refused');
        };
        const all = calls.map((kind) =>
          (kind === 'rename' ? gate.rename(work(kind)) : gate.change(work(kind))).catch(() => undefined),
        );
        await scheduler.waitFor(Promise.all(all));
        expect(ended).toBe(calls.length);
      },
    ),
    { numRuns: 300 },
  );
});
