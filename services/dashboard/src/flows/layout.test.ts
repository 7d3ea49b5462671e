import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type GraphStep, layOut, STEP_HEIGHT, STEP_WIDTH } from './layout.ts';

const steps: readonly GraphStep[] = [
  { name: 'deploy', after: [{ step: 'test', when: 'condition' }] },
  { name: 'build', after: [] },
  { name: 'test', after: [{ step: 'build', when: 'succeeded' }] },
  {
    name: 'tell',
    after: [
      { step: 'build', when: 'failed' },
      { step: 'deploy', when: 'always' },
      { step: 'deploy', when: 'failed' },
    ],
  },
];

test('a step stands one column behind the last that it waits for; a line says what it asks', () => {
  const layout = layOut(steps);
  const columns = layout?.steps.map(({ name, column }) => `${name} ${column}`);
  expect(columns).toEqual(['deploy 2', 'build 0', 'test 1', 'tell 3']);
  expect(layout?.edges.map(({ from, to, label }) => `${from} ${label} ${to}`)).toEqual([
    'test condition deploy',
    'build succeeded test',
    'build failed tell',
    'deploy always and failed tell',
  ]);
});

test('what is too large to draw is not drawn', () => {
  const many = (count: number) => Array.from({ length: count }, (_, n) => ({ name: `s${n}`, after: [] }));
  expect(layOut(many(400))?.steps).toHaveLength(400);
  expect(layOut(many(401))).toBeUndefined();
});

/** Steps that wait for some of those before them, in any order. */
const anyFlow = fc
  .array(fc.array(fc.tuple(fc.nat(), fc.constantFrom('succeeded', 'failed', 'always')), { maxLength: 3 }), {
    minLength: 1,
    maxLength: 12,
  })
  .map((waits) =>
    waits.map((after, at) => ({
      name: `s${at}`,
      after: at === 0 ? [] : after.map(([n, when]) => ({ step: `s${n % at}`, when })),
    })),
  )
  .chain((all) => fc.shuffledSubarray(all, { minLength: all.length }));

test('of any flow every step is drawn once, within the drawing, over no other, and all lines lead to the right', () => {
  fc.assert(
    fc.property(anyFlow, (flow) => {
      const layout = layOut(flow);
      if (layout === undefined) throw new Error('a small flow is drawn');
      const places = new Map(layout.steps.map((place) => [place.name, place]));
      expect([...places.keys()].sort()).toEqual(flow.map(({ name }) => name).sort());
      for (const { x, y } of layout.steps) {
        expect(Math.min(x, y)).toBeGreaterThanOrEqual(0);
        expect(x + STEP_WIDTH).toBeLessThanOrEqual(layout.width);
        expect(y + STEP_HEIGHT).toBeLessThanOrEqual(layout.height);
        const over = layout.steps.filter((two) => two.x === x && Math.abs(two.y - y) < STEP_HEIGHT);
        expect(over).toHaveLength(1);
      }
      for (const { from, to } of layout.edges)
        expect(places.get(from)?.column).toBeLessThan(places.get(to)?.column ?? -1);
      const pairs = flow.flatMap(({ name, after }) => after.map(({ step }) => `${step} ${name}`));
      expect(layout.edges.map(({ from, to }) => `${from} ${to}`).sort()).toEqual([...new Set(pairs)].sort());
    }),
  );
});
