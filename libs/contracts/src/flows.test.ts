import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decideSteps,
  type FlowDefinition,
  flowInput,
  flowOutcome,
  type StepFacts,
  type StepWhen,
} from './flows.ts';
import { fieldErrors } from './problem.ts';
import type { TerminalState } from './states.ts';

const job = { type: 'script', script: { language: 'bash', source: 'true' } };
type After = readonly (readonly [step: string, when: StepWhen])[];

function flow(steps: Readonly<Record<string, After>>): FlowDefinition {
  return flowInput.parse({
    steps: Object.entries(steps).map(([name, after]) => ({
      name,
      job,
      after: after.map(([step, when]) => ({ step, when })),
    })),
  });
}

/** Runs a flow whose jobs end as told (default: succeeded), one after the other. Returns each step's end. */
function play(
  definition: FlowDefinition,
  ends: Readonly<Record<string, { outcome: TerminalState; condition?: boolean }>> = {},
) {
  let facts: StepFacts[] = definition.steps.map(({ name }) => ({
    name,
    state: 'waiting',
    outcome: null,
    condition: null,
  }));
  const order: string[] = [];
  for (;;) {
    const decisions = new Map(decideSteps(definition, facts).map((one) => [one.name, one]));
    facts = facts.map((fact) => ({ ...fact, state: decisions.get(fact.name)?.state ?? fact.state }));
    const next = facts.find(({ state }) => state === 'starting');
    if (next === undefined) break;
    order.push(next.name);
    const { outcome, condition = null } = ends[next.name] ?? { outcome: 'succeeded' as const };
    facts = facts.map((fact) => (fact === next ? { ...fact, state: 'ended', outcome, condition } : fact));
  }
  const skipped = facts.filter(({ state }) => state === 'skipped').map(({ name }) => name);
  return { order, skipped, outcome: flowOutcome(definition, facts), facts };
}

describe('a flow', () => {
  const build = flow({
    build: [],
    test: [['build', 'succeeded']],
    deploy: [['test', 'succeeded']],
    tell: [['test', 'failed']],
    clean: [['deploy', 'always']],
  });

  test('runs steps after what they wait for, and leaves out what cannot come', () => {
    expect(play(build)).toMatchObject({
      order: ['build', 'test', 'deploy', 'clean'],
      skipped: ['tell'],
      outcome: 'succeeded',
    });
  });

  test('a failure takes the other way, and is handled when the step behind it succeeds', () => {
    const ends = { test: { outcome: 'failed' } } as const;
    expect(play(build, ends)).toMatchObject({
      order: ['build', 'test', 'tell', 'clean'],
      skipped: ['deploy'],
      outcome: 'succeeded',
    });
    expect(play(build, { ...ends, tell: { outcome: 'timed_out' } }).outcome).toBe('failed');
    expect(play(build, { build: { outcome: 'lost' } })).toMatchObject({
      order: ['build', 'clean'],
      skipped: ['test', 'deploy', 'tell'],
      outcome: 'failed',
    });
  });

  test('a condition is a way of its own', () => {
    const choice = flow({ look: [], yes: [['look', 'condition']], both: [['look', 'succeeded']] });
    const end = (condition?: boolean) =>
      play(choice, { look: { outcome: 'succeeded', ...(condition !== undefined && { condition }) } });
    expect(end(true).skipped).toEqual([]);
    expect(end(false).skipped).toEqual(['yes']);
    expect(end().skipped).toEqual(['yes']);
    expect(play(choice, { look: { outcome: 'failed', condition: true } }).skipped).toEqual(['yes', 'both']);
  });

  test.each([
    [{ a: [['b', 'succeeded']], b: [['a', 'always']] }, 'steps'],
    [{ a: [['a', 'succeeded']] }, 'steps'],
    [{ a: [['nobody', 'succeeded']] }, 'steps[0].after[0].step'],
  ] as const)('%j is refused', (steps, path) => {
    const input = Object.entries(steps).map(([name, after]) => ({
      name,
      job,
      after: (after as After).map(([step, when]) => ({ step, when })),
    }));
    const result = flowInput.safeParse({ steps: input });
    expect(result.error && fieldErrors(result.error).map((error) => error.path)).toContain(path);
  });

  test('may have steps that wait for 10000 others in all, and each is looked at once', () => {
    const chain = (length: number) =>
      Array.from({ length }, (_, n) => ({
        name: `s${n}`,
        job,
        after: Array.from({ length: n }, (_, former) => ({ step: `s${former}` })),
      })).reverse();
    const definition = flowInput.parse({ steps: chain(141) });
    let reads = 0;
    const counted = definition.steps.map((step) => ({
      ...step,
      get after() {
        reads += 1;
        return step.after;
      },
    }));
    const facts = counted.map(
      ({ name }) => ({ name, state: 'waiting', outcome: null, condition: null }) as const,
    );
    const ended = facts.map((fact) =>
      fact.name === 's0' ? ({ ...fact, state: 'ended', outcome: 'failed' } as const) : fact,
    );
    expect(decideSteps({ ...definition, steps: counted }, ended)).toHaveLength(140);
    expect(reads).toBeLessThan(4 * counted.length);
    const { error } = flowInput.safeParse({ steps: chain(142) });
    expect(error && fieldErrors(error)).toEqual([
      { path: 'steps', message: 'wait for 10011 others in all; 10000 at most' },
    ]);
  });

  test('of any form comes to its end, and no step runs before what it waits for', () => {
    const when = fc.constantFrom<StepWhen>('succeeded', 'failed', 'always', 'condition');
    const outcome = fc.constantFrom<TerminalState>('succeeded', 'failed', 'timed_out', 'cancelled', 'lost');
    const step = fc.record({
      after: fc.array(fc.tuple(fc.nat(20), when), { maxLength: 3 }),
      outcome,
      yes: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
        const definition = flow(
          Object.fromEntries(
            steps.map(({ after }, n) => [
              `s${n}`,
              after.filter(([to]) => to < n).map(([to, how]) => [`s${to}`, how] as const),
            ]),
          ),
        );
        const ends = Object.fromEntries(
          steps.map(({ outcome: end, yes }, n) => [`s${n}`, { outcome: end, condition: yes }]),
        );
        const { order, facts } = play(definition, ends);
        expect(facts.every(({ state }) => state === 'ended' || state === 'skipped')).toBe(true);
        for (const { name, after } of definition.steps) {
          const at = order.indexOf(name);
          if (at === -1) continue;
          for (const { step: former } of after) expect(order.indexOf(former)).toBeLessThan(at);
        }
      }),
    );
  });
});
