import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type FaultKind, planFaults } from './plan.ts';
import { Random } from './random.ts';

const FAULTS: readonly FaultKind[] = [
  { name: 'kill a', target: 'a', weight: 3, lastsMs: [0, 500] },
  { name: 'stop a', target: 'a', weight: 1, lastsMs: [1000, 9000] },
  { name: 'kill b', target: 'b', weight: 2, lastsMs: [100, 4000] },
];
const OPTIONS = { faults: FAULTS, durationMs: 60_000, gapMs: [500, 3000] } as const;

test('the same seed gives the same plan, another seed another', () => {
  expect(planFaults(new Random(7), OPTIONS)).toEqual(planFaults(new Random(7), OPTIONS));
  expect(planFaults(new Random(7), OPTIONS)).not.toEqual(planFaults(new Random(8), OPTIONS));
});

test('a target has one fault at a time, each within its limits, and every kind comes up', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const busyUntil = new Map<string, number>();
      for (const { fault, atMs, forMs } of planFaults(new Random(seed), OPTIONS)) {
        seen.add(fault.name);
        expect(atMs).toBeLessThan(OPTIONS.durationMs);
        expect(forMs).toBeGreaterThanOrEqual(fault.lastsMs[0]);
        expect(forMs).toBeLessThanOrEqual(fault.lastsMs[1]);
        expect(busyUntil.get(fault.target) ?? 0).toBeLessThanOrEqual(atMs);
        busyUntil.set(fault.target, atMs + forMs);
      }
    }),
  );
  expect([...seen].sort()).toEqual(FAULTS.map(({ name }) => name).sort());
});

test('whole numbers stay within their bounds and reach both', () => {
  const random = new Random(1);
  const drawn = Array.from({ length: 1000 }, () => random.whole(3, 6));
  expect([...new Set(drawn)].sort()).toEqual([3, 4, 5, 6]);
});
