import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canFollow, IllegalTransitionError, isTerminal, JOB_STATES, transition } from './states.ts';

const state = fc.constantFrom(...JOB_STATES);

test('every change of state is either in the table or named in the error', () => {
  fc.assert(
    fc.property(state, state, (from, to) => {
      if (canFollow(from, to)) return transition(from, to) === to;
      expect(() => transition(from, to)).toThrow(IllegalTransitionError);
      expect(() => transition(from, to)).toThrow(new RegExp(`from ${from} to ${to};`));
      return true;
    }),
  );
});

test('a terminal state is left only by a retry', () => {
  for (const from of JOB_STATES.filter(isTerminal)) {
    expect(JOB_STATES.filter((to) => canFollow(from, to))).toEqual(['queued']);
  }
});

test('every state can be reached from queued and reaches a terminal one', () => {
  const reach = (from: (typeof JOB_STATES)[number], seen = new Set<string>()): Set<string> => {
    for (const to of JOB_STATES) {
      if (!canFollow(from, to) || seen.has(to)) continue;
      seen.add(to);
      reach(to, seen);
    }
    return seen;
  };
  expect([...reach('queued')].sort()).toEqual([...JOB_STATES].sort());
  for (const from of JOB_STATES) expect([...reach(from)].some((to) => to === 'succeeded')).toBe(true);
});

test('no state follows itself', () => {
  for (const each of JOB_STATES) expect(canFollow(each, each)).toBe(false);
});
