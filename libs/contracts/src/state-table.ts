/**
 * A job's states.
 *
 * ```text
 *                 ┌──────────────────────── retry ────────────────────────┐
 *                 v                                                       │
 *  (accepted) -> queued -> claimed -> preparing -> running -> draining ───┤
 *                 │           │           │           │           │       │
 *                 │           └───────────┴───────────┴───────────┤       │
 *                 │                                               v       │
 *                 └── cancelled / lost      succeeded | failed | timed_out | cancelled | lost
 * ```
 *
 * `draining` is the time in which the container has exited and its log is being stored. A terminal state is left only
 * by an explicit retry of a person.
 */
export const JOB_STATES = [
  'queued',
  'claimed',
  'preparing',
  'running',
  'draining',
  'succeeded',
  'failed',
  'timed_out',
  'cancelled',
  'lost',
] as const;

export type JobState = (typeof JOB_STATES)[number];

export const TERMINAL_STATES = ['succeeded', 'failed', 'timed_out', 'cancelled', 'lost'] as const;
export type TerminalState = (typeof TERMINAL_STATES)[number];

/** The one transition table. An attempt that is lost may be queued again from any state in which a node held it. */
const NEXT: Readonly<Record<JobState, readonly JobState[]>> = {
  queued: ['claimed', 'cancelled', 'lost', 'failed'],
  claimed: ['preparing', 'draining', 'queued', ...TERMINAL_STATES],
  preparing: ['running', 'draining', 'queued', ...TERMINAL_STATES],
  running: ['draining', 'queued', ...TERMINAL_STATES],
  draining: ['queued', ...TERMINAL_STATES],
  succeeded: ['queued'],
  failed: ['queued'],
  timed_out: ['queued'],
  cancelled: ['queued'],
  lost: ['queued'],
};

export function isTerminal(state: JobState): state is TerminalState {
  return (TERMINAL_STATES as readonly JobState[]).includes(state);
}

/** Thrown when a state may not follow another. */
export class IllegalTransitionError extends Error {
  override readonly name = 'IllegalTransitionError';
  readonly code = 'ILLEGAL_TRANSITION';
  readonly from: JobState;
  readonly to: JobState;

  constructor(from: JobState, to: JobState) {
    super(`a job cannot go from ${from} to ${to}; from ${from} it may go to ${NEXT[from].join(', ')}`);
    this.from = from;
    this.to = to;
  }
}

export function canFollow(from: JobState, to: JobState): boolean {
  return NEXT[from].includes(to);
}

/**
 * Checks a change of state.
 * @returns `to`
 * @throws IllegalTransitionError when the table has no such change
 */
export function transition(from: JobState, to: JobState): JobState {
  if (!canFollow(from, to)) throw new IllegalTransitionError(from, to);
  return to;
}
