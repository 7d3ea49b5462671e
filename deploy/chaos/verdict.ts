import type { JobView } from '@cronium/contracts';
import { isTerminal } from '@cronium/contracts';
import type { ChaosJob } from './jobs.ts';
import { isExcused, type Life, type Overlap, overlapsOf, type Span } from './lives.ts';

/** All that is known of one accepted job when a round is over. */
export interface Ended {
  readonly id: string;
  readonly job: ChaosJob;
  /** `undefined`: results does not know it. */
  readonly view: JobView | undefined;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** What is held against the fleet after a round; each list should be empty. */
export interface Verdict {
  /** Accepted, and without an end. */
  readonly lost: readonly string[];
  /** Ran twice where once was right, or two of its containers ran at once. */
  readonly duplicated: readonly string[];
  /** The stored log is not what the job wrote. */
  readonly inexact: readonly string[];
  /** Ended otherwise than it may. */
  readonly wrong: readonly string[];
  /** Two containers at once while the older one's worker or daemon was kept from acting: see the ADR. */
  readonly unfenced: readonly string[];
  /** Succeeded unheard, after its lock had run out: the job was run again, and only the later end counts. */
  readonly repeated: readonly string[];
  /** Ended as `lost` because faults took every attempt that the policy gives. */
  readonly spent: number;
}

export interface Evidence {
  readonly jobs: readonly Ended[];
  readonly lives: readonly Life[];
  readonly marks: ReadonlyMap<string, number>;
  /** When each node's worker or daemon could not act, by node. */
  readonly away: ReadonlyMap<string, readonly Span[]>;
  /** Attempts of which someone removed the container by hand. */
  readonly interfered: ReadonlySet<string>;
}

/** Judges a round. Pure. */
export function judge(evidence: Evidence): Verdict {
  const { jobs, lives, marks, away, interfered } = evidence;
  const [unfenced, overlaps] = partition(overlapsOf(lives), (overlap) =>
    isExcused(overlap, { away: away.get(overlap.older.node) ?? [], returnMs: RETURN_MS }),
  );
  return {
    lost: jobs.filter(({ view }) => view === undefined || !isTerminal(view.state)).map(describe),
    duplicated: [
      ...overlaps.map(describeOverlap),
      ...jobs.flatMap(ranTwice),
      ...[...marks]
        .filter(([, count]) => count > 1)
        .map(([id, count]) => `${id}: its program ran ${count} times`),
      ...jobs.flatMap((job) => marksMissing(job, marks)),
    ],
    inexact: jobs.flatMap(logProblem),
    wrong: jobs.filter((one) => isWrong(one, interfered)).map(describe),
    unfenced: unfenced.map(describeOverlap),
    repeated: jobs.filter(isRepeated).map(describe),
    spent: jobs.filter(({ view }) => view?.state === 'lost').length,
  };
}

/** After a worker or daemon came back it needs a moment to remove what is stale. */
const RETURN_MS = 30_000;

function describeOverlap({ older, newer, fromMs, toMs }: Overlap): string {
  return `${older.attemptId} on ${older.node} and ${newer.attemptId} on ${newer.node} ran at once for ${Math.round(toMs - fromMs)} ms from ${new Date(fromMs).toISOString()}`;
}

function describe({ id, job, view }: Ended): string {
  if (view === undefined) return `${id} (${kindOf(job)}): results does not know it`;
  const attempts = view.attemptList.map(({ attempt, state, cause }) =>
    `${attempt} ${state} ${cause ?? ''}`.trim(),
  );
  return `${id} (${kindOf(job)}): ${view.state}, ${view.cause ?? 'no cause'}, exit ${view.exitCode}; ${attempts.join('; ')}`;
}

function kindOf({ kind, spec }: ChaosJob): string {
  return spec.isolation === 'batch' ? `${kind}, in turn` : kind;
}

/** More than one attempt that came to its own end, without a policy that asks for it. */
function ranTwice(one: Ended): string[] {
  const succeeded = one.view?.attemptList.filter(({ state }) => state === 'succeeded') ?? [];
  return succeeded.length > 1 ? [describe(one)] : [];
}

function isRepeated({ view }: Ended): boolean {
  return view?.attemptList.some(({ cause }) => cause === 'fenced') ?? false;
}

function marksMissing({ id, job, view }: Ended, marks: ReadonlyMap<string, number>): string[] {
  if (!job.hasEffect || view?.state !== 'succeeded') return [];
  const attemptId = `${id}.${view.attempts}`;
  return marks.get(attemptId) === 1 ? [] : [`${attemptId} succeeded with ${marks.get(attemptId) ?? 0} marks`];
}

/** A run that came to its end has its whole log; one that was cut off has the beginning of it. */
function logProblem(one: Ended): string[] {
  const { id, job, view, stdout, stderr } = one;
  if (view === undefined) return [];
  const isWhole = view.state === 'succeeded' || (job.kind === 'failing' && view.exitCode === 3);
  return (['stdout', 'stderr'] as const).flatMap((stream) => {
    const stored = (stream === 'stdout' ? stdout : stderr).toString();
    const right = isWhole ? stored === job[stream] : job[stream].startsWith(stored);
    return right
      ? []
      : [`${id} (${kindOf(job)}, ${view.state}): ${stream} ${difference(stored, job[stream])}`];
  });
}

function difference(stored: string, expected: string): string {
  let at = 0;
  while (at < stored.length && stored[at] === expected[at]) at += 1;
  const around = (text: string) => JSON.stringify(text.slice(Math.max(0, at - 20), at + 60));
  return `has ${stored.length} of ${expected.length} bytes and differs at ${at}: ${around(stored)} instead of ${around(expected)}`;
}

/** The causes with which faults end an attempt. */
const FAULT_CAUSES: ReadonlySet<string> = new Set(['daemon', 'node_lost', 'fenced', 'sidecar']);

function isWrong({ id, job, view }: Ended, interfered: ReadonlySet<string>): boolean {
  if (view === undefined || !isTerminal(view.state) || view.state === 'lost') return false;
  if ((job.ends as readonly string[]).includes(view.state)) return false;
  if (interfered.has(id)) return false;
  return !FAULT_CAUSES.has(view.cause ?? '');
}

function partition<T>(items: readonly T[], matches: (item: T) => boolean): [T[], T[]] {
  return [items.filter(matches), items.filter((item) => !matches(item))];
}
