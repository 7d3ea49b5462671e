import { DEATH_CAUSES, outcome as outcomeSchema } from '@cronium/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ContainerEvidence, ExitReport } from '../sandbox/runtime.ts';
import { classify } from './classify.ts';
import type { Circumstances, Ending, Phases, Stop } from './evidence.ts';

const FACTS: Circumstances = {
  attempt: 1,
  at: 1_700_000_000_000,
  node: 'n1',
  memoryLimitBytes: 512 * 2 ** 20,
  image: 'job-bash',
  logTail: ['the last line'],
  host: {},
};
const QUIET: ContainerEvidence = {
  events: [],
  oomEvents: 0,
  oomKills: undefined,
  kills: [],
  sidecarDied: false,
  sidecarRestarts: 0,
  sidecarIsDown: false,
  memoryPeakBytes: undefined,
};
const MAIN: Phases = { main: { ended: false } };

function exited(exitCode: number, more: { oomKilled?: boolean; error?: string } = {}): ExitReport {
  return { type: 'exited', exitCode, oomKilled: false, error: '', startedAt: '', finishedAt: '', ...more };
}

function ran(exit: ExitReport, more: Partial<Extract<Ending, { type: 'ran' }>> = {}): Ending {
  return {
    type: 'ran',
    exit,
    stop: undefined,
    phases: MAIN,
    container: QUIET,
    mainEnd: undefined,
    host: {},
    ...more,
  };
}

const verdict = (ending: Ending) => {
  const { state, death } = classify(ending, FACTS);
  return {
    state,
    cause: death?.cause,
    certainty: death?.certainty,
    phase: death?.phase,
    signal: death?.signal,
  };
};

describe('137 alone is never called an out-of-memory kill', () => {
  test('without any other evidence it is SIGKILL by an unknown hand', () => {
    expect(verdict(ran(exited(137)))).toMatchObject({
      state: 'failed',
      cause: 'signal',
      certainty: 'unknown',
      signal: 'SIGKILL',
    });
  });
  test('with Docker’s word it is', () => {
    expect(verdict(ran(exited(137, { oomKilled: true })))).toMatchObject({
      cause: 'oom',
      certainty: 'certain',
    });
  });
  test('with a kill through the API it is that', () => {
    const container = { ...QUIET, kills: [{ signal: '9', at: 1 }] };
    expect(verdict(ran(exited(137), { container }))).toMatchObject({ cause: 'killed', certainty: 'certain' });
  });
  test('with a daemon that went down it is that', () => {
    expect(verdict(ran({ type: 'daemon', detail: 'restarted' }))).toMatchObject({
      state: 'lost',
      cause: 'daemon',
    });
  });
  test('with its parent’s word it is an exit of its own, or a signal from inside or from the host', () => {
    expect(verdict(ran(exited(137), { mainEnd: 'exited' }))).toMatchObject({
      cause: 'exit',
      certainty: 'certain',
      signal: null,
    });
    expect(verdict(ran(exited(137), { mainEnd: 'signalled' }))).toMatchObject({
      cause: 'signal',
      certainty: 'certain',
      signal: 'SIGKILL',
    });
  });
  test('with a kill for memory it is the main program’s, a child’s, or the host’s want of memory', () => {
    const message = (ending: Ending) => classify(ending, FACTS).death?.message;
    const counted = { ...QUIET, oomKills: 1 };
    expect(message(ran(exited(137, { oomKilled: true }), { mainEnd: 'signalled' }))).toMatch(
      /^The job needed/,
    );
    expect(message(ran(exited(137, { oomKilled: true }), { mainEnd: 'exited' }))).toMatch(
      /^One of the job's/,
    );
    expect(message(ran(exited(137), { mainEnd: 'signalled', container: counted }))).toMatch(/on the host/);
  });
  test('with a stop of the fleet’s own it is that', () => {
    const stop: Stop = { type: 'timed_out', seconds: 1 };
    expect(verdict(ran(exited(137), { stop }))).toMatchObject({
      state: 'timed_out',
      cause: 'timed_out',
      certainty: 'certain',
    });
  });
});

test('a child that was killed for memory while the job succeeded stands in the record', () => {
  const result = classify(ran(exited(0, { oomKilled: true })), FACTS);
  expect(result).toMatchObject({ state: 'succeeded', death: null, evidence: { oomKilled: true } });
});

test('exit 0 without a begun main program is no success', () => {
  expect(verdict(ran(exited(0), { phases: {} }))).toMatchObject({
    state: 'lost',
    certainty: 'unknown',
    phase: 'preparing',
  });
  expect(verdict(ran(exited(0), { phases: { setup: { ended: true, exitCode: 0 } } }))).toMatchObject({
    state: 'failed',
    phase: 'setup',
  });
});

test('a program that the image has not is the image’s fault', () => {
  const phases: Phases = { main: { ended: true, exitCode: 127, unrunnable: true } };
  expect(verdict(ran(exited(127), { phases }))).toMatchObject({
    state: 'failed',
    cause: 'image',
    certainty: 'certain',
  });
  expect(verdict(ran(exited(127)))).toMatchObject({ cause: 'exit' });
});

test('a setup’s failure carries the setup’s own code', () => {
  const phases: Phases = { setup: { ended: true, exitCode: 0 }, preTask: { ended: true, exitCode: 4 } };
  const { death } = classify(ran(exited(1), { phases }), FACTS);
  expect(death).toMatchObject({ cause: 'setup', phase: 'preTask', exitCode: 4 });
});

test('a sidecar that died under a failing job is named, and the job is tried again', () => {
  const container = { ...QUIET, sidecarDied: true, sidecarIsDown: true };
  expect(verdict(ran(exited(1), { container }))).toMatchObject({
    state: 'lost',
    cause: 'sidecar',
    certainty: 'likely',
  });
  expect(verdict(ran(exited(0), { container }))).toMatchObject({ state: 'succeeded' });
  const revived = { ...container, sidecarIsDown: false, sidecarRestarts: 1 };
  expect(verdict(ran(exited(1), { container: revived }))).toMatchObject({ state: 'failed', cause: 'exit' });
  const stop: Stop = { type: 'sidecar_lost', reason: 'it died again' };
  expect(verdict(ran(exited(143), { container, stop }))).toMatchObject({
    state: 'lost',
    cause: 'sidecar',
    certainty: 'certain',
  });
});

const STOPPED = {
  cancelled: 'cancelled',
  timed_out: 'timed_out',
  setup_timeout: 'timed_out',
  sidecar_lost: 'lost',
} as const;

const anyPhase = fc.record(
  {
    ended: fc.boolean(),
    exitCode: fc.option(fc.integer({ min: 0, max: 255 }), { nil: undefined }),
    unrunnable: fc.boolean(),
  },
  { requiredKeys: ['ended'] },
);
const anyPhases = fc.record(
  { setup: anyPhase, preTask: anyPhase, main: anyPhase },
  { requiredKeys: [] },
) as fc.Arbitrary<Phases>;
const anyExit: fc.Arbitrary<ExitReport> = fc.oneof(
  fc
    .record({
      exitCode: fc.constantFrom(0, 1, 126, 127, 137, 139, 143, 255),
      oomKilled: fc.boolean(),
      error: fc.constantFrom('', 'exec format error'),
    })
    .map(({ exitCode, ...more }) => exited(exitCode, more)),
  fc.constant<ExitReport>({ type: 'vanished' }),
  fc.constant<ExitReport>({ type: 'daemon', detail: 'restarted' }),
);
const anyStop = fc.constantFrom<Stop | undefined>(
  undefined,
  { type: 'cancelled', by: 'ada' },
  { type: 'timed_out', seconds: 5 },
  { type: 'setup_timeout', seconds: 5 },
  { type: 'sidecar_lost', reason: 'it died twice' },
);
const anyContainer: fc.Arbitrary<ContainerEvidence> = fc.record({
  events: fc.constant([]),
  oomEvents: fc.constantFrom(0, 1),
  oomKills: fc.constantFrom(undefined, 0, 2),
  kills: fc.constantFrom([], [{ signal: 'SIGKILL', at: 1 }], [{ signal: '15', at: 1 }]),
  sidecarDied: fc.boolean(),
  sidecarRestarts: fc.constantFrom(0, 1),
  sidecarIsDown: fc.boolean(),
  memoryPeakBytes: fc.constantFrom(undefined, 1000),
});
const anyEnding: fc.Arbitrary<Ending> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      type: fc.constant('ran' as const),
      exit: anyExit,
      stop: anyStop,
      phases: anyPhases,
      container: anyContainer,
      mainEnd: fc.constantFrom(undefined, 'exited' as const, 'signalled' as const),
      host: fc.constant({}),
    }),
  },
  { weight: 1, arbitrary: fc.constant<Ending>({ type: 'unreadable', reason: 'v' }) },
  { weight: 1, arbitrary: fc.constant<Ending>({ type: 'handover_unknown' }) },
  { weight: 1, arbitrary: anyPhases.map((phases): Ending => ({ type: 'gone_unseen', phases })) },
  { weight: 1, arbitrary: fc.constant<Ending>({ type: 'lost_too_often', losses: 4 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Ending>(
      ...(['image', 'service', 'docker', 'sidecar'] as const).map(
        (code): Ending => ({
          type: 'unprepared',
          code,
          message: 'The sandbox could not be made.',
          statusCode: 500,
        }),
      ),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constant<Ending>({ type: 'stopped_early', stop: { type: 'cancelled', by: 'ada' } }),
  },
);

describe('for every combination of evidence', () => {
  test('there is one valid outcome; a death exactly when it is no success; a sentence that says what happened', () => {
    fc.assert(
      fc.property(anyEnding, (ending) => {
        const result = outcomeSchema.parse(classify(ending, FACTS));
        expect(result.death === null).toBe(result.state === 'succeeded');
        if (!result.death) return;
        expect(DEATH_CAUSES).toContain(result.death.cause);
        expect(result.death.message).toMatch(/^[A-Z].{10,}/);
        expect(result.death.message).not.toMatch(/undefined|null|NaN/);
      }),
      { numRuns: 3000 },
    );
  });

  test('oom needs positive evidence, success needs a begun main program and exit 0, and a stop of the fleet wins', () => {
    fc.assert(
      fc.property(anyEnding, (ending) => {
        const { state, death } = classify(ending, FACTS);
        if (ending.type !== 'ran') return;
        const { exit, container, stop, phases } = ending;
        const short =
          container.oomEvents > 0 ||
          (container.oomKills ?? 0) > 0 ||
          (exit.type === 'exited' && exit.oomKilled);
        if (death?.cause === 'oom') expect(short).toBe(true);
        if (state === 'succeeded') {
          expect(exit).toMatchObject({ type: 'exited', exitCode: 0 });
          expect(phases.main).toBeDefined();
          expect(stop).toBeUndefined();
        }
        if (stop) expect(state).toBe(STOPPED[stop.type]);
        if (!stop && exit.type === 'daemon') expect(state).toBe('lost');
      }),
      { numRuns: 3000 },
    );
  });
});
