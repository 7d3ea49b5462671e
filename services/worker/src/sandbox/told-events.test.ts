import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ToldEvents } from './told-events.ts';

const KEPT = 8;
const GAP_MS = 10;

/** Events as a daemon tells them: each is stamped up to so much before its turn that fewer than are kept overtake it. */
const story = fc
  .array(fc.nat({ max: (KEPT - 2) * GAP_MS }), { maxLength: 60 })
  .map((late) => late.map((ms, place) => ({ text: `event ${place}`, stampMs: 1000 + place * GAP_MS - ms })));

/** What Docker repeats: it goes back from the newest one, up to the first that is stamped earlier. */
function repeated<T extends { readonly stampMs: number }>(told: readonly T[], sinceMs: number): readonly T[] {
  return told.slice(told.findLastIndex(({ stampMs }) => stampMs < sinceMs) + 1);
}

test('in any order within bounds, wherever the stream breaks, each event is new exactly once', () => {
  const breaks = fc.array(fc.record({ written: fc.nat({ max: 15 }), read: fc.nat({ max: 30 }) }));
  fc.assert(
    fc.property(story, breaks, (events, streams) => {
      const told = new ToldEvents(KEPT);
      told.begin(0);
      const taken: string[] = [];
      let written = 0;
      for (const stream of [...streams, { written: events.length, read: Number.POSITIVE_INFINITY }]) {
        written += stream.written;
        for (const { text, stampMs } of repeated(events.slice(0, written), told.sinceMs ?? 0).slice(
          0,
          stream.read,
        ))
          if (told.isNew(text, stampMs)) taken.push(text);
      }
      expect(taken).toEqual(events.map(({ text }) => text));
    }),
    { numRuns: 1000 },
  );
});

test('events of one moment are told apart by all that is said of them', () => {
  const told = new ToldEvents();
  expect(['kill 15', 'kill 9', 'kill 15'].map((text) => told.isNew(text, 1000))).toEqual([true, true, false]);
});

test('a clock that is set back hides nothing', () => {
  const told = new ToldEvents();
  told.begin(5_000_000);
  expect([told.isNew('before', 6_000_000), told.isNew('after', 1000)]).toEqual([true, true]);
  expect(told.sinceMs).toBe(5_000_000);
});
