import {
  attemptIdOf,
  canFollow,
  type DeathRecord,
  isTerminal,
  type JobState,
  type Outcome,
  type TimelineEntry,
  type TimelineMoment,
  transition,
} from '@cronium/contracts';

/** What is known of an attempt. */
export interface AttemptFacts {
  readonly id: string;
  readonly jobId: string;
  readonly attempt: number;
  readonly node: string;
  readonly day: string;
  readonly state: JobState;
  readonly timeline: readonly TimelineEntry[];
  readonly outcome: Outcome | null;
  /** The outcome was concluded from a newer claim; the node's own report replaces it. */
  readonly inferred: boolean;
  readonly final: boolean;
  readonly nextRunMs: number | null;
  readonly image: { readonly reference: string; readonly id: string } | null;
}

/** A report of an attempt, with what its payload says of the job's stay in the queue. */
export interface AttemptReport extends AttemptFacts {
  /** When the payload was put into the queue: another time is another stay, after a person's retry. */
  readonly stayMs: number;
  /** Attempts before this stay. */
  readonly attemptBase: number;
}

/** What is known of a job, as far as attempts change it. */
export interface JobFacts {
  readonly state: JobState;
  readonly attempt: number;
  /** Attempts up to this one no longer drive the state: a person retried the job after them. */
  readonly settledAttempt: number;
  /** The newest stay in the queue that is known. */
  readonly stayMs: number;
}

const LADDER: readonly JobState[] = ['queued', 'claimed', 'preparing', 'running', 'draining'];

/** By what one report of an attempt is ahead of another, the weightiest first. */
function ranks(facts: AttemptFacts): readonly number[] {
  const { state, outcome, inferred } = facts;
  const ended = outcome === null ? 0 : inferred ? 1 : 2;
  // An attempt that was put back unstarted (`queued`) may be claimed once more, by another node, under the same number.
  return [ended, claimedMs(facts), state === 'queued' ? LADDER.length : LADDER.indexOf(state)];
}

function claimedMs(facts: AttemptFacts): number {
  return momentMs(facts, 'claimed') ?? 0;
}

function isAhead(told: AttemptFacts, known: AttemptFacts): boolean {
  const [ours, theirs] = [ranks(told), ranks(known)];
  const at = ours.findIndex((rank, index) => rank !== theirs[index]);
  return at !== -1 && (ours[at] ?? 0) > (theirs[at] ?? 0);
}

/**
 * Puts two reports of one attempt together. The order in which they came and repetitions make no difference: what is
 * further along wins, and of one claim the longest timeline.
 */
export function mergeAttempt(known: AttemptFacts | undefined, told: AttemptFacts): AttemptFacts {
  if (known === undefined) return told;
  const [ahead, other] = isAhead(told, known) ? [told, known] : [known, told];
  const sameClaim = claimedMs(ahead) === claimedMs(other) || ahead.timeline.length === 0;
  const longer = other.timeline.length > ahead.timeline.length ? other.timeline : ahead.timeline;
  const { node, day } = ahead.node === '' ? other : ahead;
  return {
    ...ahead,
    node,
    day,
    timeline: sameClaim ? longer : ahead.timeline,
    image: ahead.image ?? other.image,
  };
}

/** The state that an attempt asks of its job. */
function wantedState({ state, outcome, final }: AttemptFacts): JobState {
  if (outcome === null) return isTerminal(state) ? 'draining' : state;
  return final ? outcome.state : 'queued';
}

/**
 * Walks a job from a state to another by the transition table, through the states between that nobody reported.
 * @throws IllegalTransitionError when there is no way
 */
export function advance(from: JobState, to: JobState): JobState {
  if (from === to || canFollow(from, to)) return from === to ? to : transition(from, to);
  const next = LADDER[LADDER.indexOf(from) + 1];
  const ahead = isTerminal(to) || LADDER.indexOf(to) > LADDER.indexOf(from);
  if (isTerminal(from) || next === undefined || !ahead) return transition(from, to);
  return advance(transition(from, next), to);
}

/** Did a person put the job back into the queue, so that this report is of another stay than the one that ended? */
function isNewStay(job: JobFacts, told: AttemptReport): boolean {
  return told.stayMs !== job.stayMs && told.attemptBase >= job.attempt;
}

/**
 * Has the job ended without this claim, so that its worker must stop? A queue that fell back to an older state hands out an
 * ended job once more under the number of an attempt that has ended: the claim's time tells them apart.
 */
export function isOver(job: JobFacts, told: AttemptReport, known: AttemptFacts | undefined): boolean {
  if (!isTerminal(job.state) || told.attempt < job.attempt || isNewStay(job, told)) return false;
  if (told.attempt > job.attempt) return true;
  if (known?.final !== true || known.outcome?.state !== job.state) return true;
  return told.timeline.length > 0 && claimedMs(told) !== claimedMs(known);
}

/**
 * What a job becomes by what is known of one of its attempts (`merged`). An older attempt changes nothing; the newest
 * one never changes a job that has ended, or one that a person has retried after it; a newer attempt takes the job over.
 */
export function applyAttempt(job: JobFacts, told: AttemptReport, merged: AttemptFacts): JobFacts {
  if (told.attempt < job.attempt || told.attempt <= job.settledAttempt) return job;
  const wanted = wantedState(merged);
  if (told.attempt > job.attempt) {
    const settledAttempt = isTerminal(job.state) ? job.attempt : job.settledAttempt;
    const state = advance(advance(job.state, 'queued'), wanted);
    const stayMs = isTerminal(job.state) ? told.stayMs : job.stayMs;
    return { state, attempt: told.attempt, settledAttempt, stayMs };
  }
  if (isTerminal(job.state)) return job;
  // The same attempt under a new claim, after it was put back unstarted.
  const from = canStand(job.state, wanted) ? job.state : advance(job.state, 'queued');
  return { ...job, state: advance(from, wanted) };
}

function canStand(from: JobState, to: JobState): boolean {
  return isTerminal(to) || to === 'queued' || LADDER.indexOf(to) >= LADDER.indexOf(from);
}

/** An attempt whose node was never heard of again; a newer claim says so. */
export function lostAttempt(newer: AttemptFacts, attempt: number, known?: AttemptFacts): AttemptFacts {
  const { jobId } = newer;
  const atMs = momentMs(newer, 'claimed') ?? 0;
  const death: DeathRecord = {
    attempt,
    cause: 'node_lost',
    certainty: 'likely',
    phase: known?.state === 'running' ? 'main' : known?.state === 'draining' ? 'draining' : 'preparing',
    exitCode: null,
    signal: null,
    message: `The node of attempt ${attempt} stopped renewing its lock; attempt ${newer.attempt} took the job over on ${newer.node}. Look at that node, its network and its link to Valkey.`,
    evidence: { events: [], logTail: [], host: {} },
    at: new Date(atMs).toISOString(),
  };
  return {
    id: attemptIdOf(jobId, attempt),
    jobId,
    attempt,
    node: '',
    day: newer.day,
    state: 'lost',
    timeline: [],
    outcome: { state: 'lost', exitCode: null, death },
    inferred: true,
    final: false,
    nextRunMs: null,
    image: null,
  };
}

/**
 * An attempt that succeeded, and of which this is told only after a newer one began: that one ran the job again, and only
 * its end counts.
 */
export function asCounted(job: JobFacts, told: AttemptFacts): AttemptFacts {
  const { attempt, outcome } = told;
  if (outcome?.state !== 'succeeded' || attempt >= job.attempt || attempt <= job.settledAttempt) return told;
  const atMs = momentMs(told, 'main_ended') ?? momentMs(told, 'claimed') ?? 0;
  const death: DeathRecord = {
    attempt,
    cause: 'fenced',
    certainty: 'certain',
    phase: 'draining',
    exitCode: outcome.exitCode,
    signal: null,
    message: `Attempt ${attempt} ran to its end on ${told.node}, but its lock had run out and attempt ${job.attempt} had begun before that was told: its result does not count. Look at that node's link to Valkey and to results, and at its load.`,
    evidence: outcome.evidence ?? { events: [], logTail: [], host: {} },
    at: new Date(atMs).toISOString(),
  };
  return {
    ...told,
    state: 'lost',
    outcome: { state: 'lost', exitCode: outcome.exitCode, death },
    final: false,
    nextRunMs: null,
  };
}

export function momentMs(
  { timeline }: Pick<AttemptFacts, 'timeline'>,
  moment: TimelineMoment,
): number | null {
  return timeline.find((entry) => entry.moment === moment)?.at ?? null;
}

/** When an ended attempt ended: its last moment before the teardown, or its death; null while it goes on. */
export function endedMs({
  outcome,
  timeline,
  inferred,
}: Pick<AttemptFacts, 'outcome' | 'timeline' | 'inferred'>): number | null {
  if (outcome === null) return null;
  if (inferred && outcome.death !== null) return Date.parse(outcome.death.at);
  const moments = timeline.filter(({ moment }) => !moment.startsWith('teardown')).map(({ at }) => at);
  if (moments.length > 0) return Math.max(...moments);
  return outcome.death === null ? null : Date.parse(outcome.death.at);
}
