import type { TimelineMoment } from '@cronium/contracts';
import type { PhaseFacts, Phases } from '../outcome/evidence.ts';
import type { PhaseMarker } from '../sandbox/runtime.ts';
import type { Attempt } from './attempt.ts';

type Phase = PhaseMarker['phase'];

const STARTED = {
  tenantPreTask: 'tenant_pre_task_started',
  setup: 'setup_started',
  preTask: 'pre_task_started',
  main: 'main_started',
} as const;
const ENDED = {
  tenantPreTask: 'tenant_pre_task_ended',
  setup: 'setup_ended',
  preTask: 'pre_task_ended',
  main: 'main_ended',
} as const;

/** Turns a phase marker into moments of the attempt. A marker that was seen before changes nothing. */
export function recordMarker(attempt: Attempt, marker: PhaseMarker): void {
  const { phase, event, at, exitCode } = marker;
  if (event === 'started') {
    attempt.moment(STARTED[phase], at);
    if (phase === 'main' && attempt.state === 'preparing') attempt.enter('running');
    return;
  }
  const attributes = exitCode === undefined ? {} : { exitCode };
  // A program that could not be started has begun and ended in the same moment.
  if (event === 'unrunnable') attempt.moment(STARTED[phase], at);
  attempt.moment(ENDED[phase], at, event === 'unrunnable' ? { ...attributes, unrunnable: true } : attributes);
}

/** What the markers said, read back from the timeline: so an adopted attempt knows as much as one seen from the start. */
export function phasesOf(attempt: Attempt): Phases {
  const phases = Object.keys(STARTED) as Phase[];
  return Object.fromEntries(
    phases.flatMap((phase) => {
      const facts = factsOf(attempt, phase);
      return facts === undefined ? [] : [[phase, facts]];
    }),
  );
}

function factsOf(attempt: Attempt, phase: Phase): PhaseFacts | undefined {
  const started: TimelineMoment = STARTED[phase];
  if (!attempt.has(started)) return undefined;
  const ended = attempt.at(ENDED[phase]);
  const exitCode = ended?.attributes?.exitCode;
  return {
    ended: ended !== undefined,
    exitCode: typeof exitCode === 'number' ? exitCode : undefined,
    unrunnable: ended?.attributes?.unrunnable === true,
  };
}
