import fc from 'fast-check';
import { expect, test } from 'vitest';
import { allLines, LineRuns } from './line-runs.ts';

test('all lines: row 0 is line 1, and a line outside leads to an end', () => {
  const rows = allLines(10);
  expect([rows.lineAt(0), rows.rowOf(1), rows.rowOf(0), rows.rowOf(99)]).toEqual([1, 0, 0, 10]);
});

/** Runs as a service sends them: ascending, apart or touching, in any number of answers. */
const answers = fc
  .array(fc.array(fc.tuple(fc.nat(4), fc.nat(6)), { maxLength: 6 }), { maxLength: 6 })
  .map((all) => {
    let line = 1;
    return all.map((runs) =>
      runs.map(([gap, more]): [number, number] => {
        const first = line + gap;
        line = first + more + 1;
        return [first, first + more];
      }),
    );
  });

test('runs are as a plain list of their lines', () => {
  fc.assert(
    fc.property(answers, fc.nat(200), (all, line) => {
      const runs = new LineRuns();
      for (const answer of all) runs.append(answer);
      const lines = all
        .flat()
        .flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, at) => first + at));
      expect(runs.length).toBe(lines.length);
      expect(lines.map((_, row) => runs.lineAt(row))).toEqual(lines);
      expect(runs.has(line)).toBe(lines.includes(line));
      // The row of a line that is not there is that of the next one.
      expect(runs.rowOf(line)).toBe(lines.filter((one) => one < line).length);
    }),
  );
});
