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

/** What is known of a job, as far as attempts change it. */
export interface JobFacts {
  readonly state: JobState;
  readonly attempt: number;
  readonly settledAttempt: number;
}

const LADDER: readonly JobState[] = ['queued', 'claimed', 'preparing', 'running', 'draining'];

function rankOf({ state, outcome, inferred }: AttemptFacts): number {
  if (outcome !== null) return inferred ? 100 : 200;
  return LADDER.indexOf(state);
}

/**
 * Puts two reports of one attempt together. The order in which they came and repetitions make no difference: what is
 * further along wins, and the longest timeline.
 */
export function mergeAttempt(known: AttemptFacts | undefined, told: AttemptFacts): AttemptFacts {
  if (known === undefined) return told;
  const ahead = rankOf(told) > rankOf(known) ? told : known;
  const timeline = told.timeline.length > known.timeline.length ? told.timeline : known.timeline;
  const { node, day } = known.node === '' ? told : known;
  return { ...ahead, node, day, timeline, image: ahead.image ?? known.image ?? told.image };
}

/** The state that an attempt asks of its job. */
export function wantedState({ state, outcome, final }: AttemptFacts): JobState {
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

/**
 * What a job becomes by what is known of one of its attempts. An older attempt changes nothing; the newest one never
 * changes a job that has ended, or one that a person has retried after it; a newer attempt takes the job over.
 */
export function applyAttempt(job: JobFacts, told: AttemptFacts): JobFacts {
  if (told.attempt < job.attempt || told.attempt <= job.settledAttempt) return job;
  const wanted = wantedState(told);
  if (told.attempt > job.attempt) {
    const queued = advance(job.state, 'queued');
    return { ...job, attempt: told.attempt, state: advance(queued, wanted) };
  }
  if (isTerminal(job.state)) return job;
  // A cancelled wait for the next attempt is not undone by a repeated report of the last one.
  if (job.state === wanted || (wanted !== 'queued' && job.state === 'queued')) return job;
  return { ...job, state: advance(job.state, wanted) };
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

export function momentMs({ timeline }: Pick<AttemptFacts, 'timeline'>, moment: TimelineMoment): number | null {
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
