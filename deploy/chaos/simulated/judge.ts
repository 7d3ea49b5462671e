import { isTerminal } from '@cronium/contracts';
import { isExcused, type Overlap, overlapsOf } from '../lives.ts';
import { type SimulatedJob, textOf } from './jobs.ts';
import type { SimulatedNode } from './node.ts';
import type { SimulatedResults } from './results.ts';
import type { SimulatedValkey } from './valkey.ts';
import { TIMEOUT_MS } from './wire.ts';

/** What is held against the fleet after a simulated round; each list should be empty, but for the last two. */
export interface SimulatedVerdict {
  /** Accepted, and without an end. */
  readonly lost: readonly string[];
  /** Two containers at once, two successes, or two ends. */
  readonly duplicated: readonly string[];
  readonly inexact: readonly string[];
  /** What is owned by nobody, or still owned. */
  readonly left: readonly string[];
  /** Ended otherwise than it may: jobs, and workers that were told to end. */
  readonly wrong: readonly string[];
  /** Two containers at once while the older one's worker or daemon was kept from acting. */
  readonly unfenced: readonly string[];
  readonly repeated: readonly string[];
}

export interface SimulatedEvidence {
  readonly jobs: ReadonlyMap<string, SimulatedJob>;
  readonly results: SimulatedResults;
  readonly valkey: SimulatedValkey;
  readonly nodes: readonly SimulatedNode[];
  readonly queue: string;
}

/** Judges a simulated round. */
export function judgeSimulated({ jobs, results, valkey, nodes, queue }: SimulatedEvidence): SimulatedVerdict {
  const all = [...jobs.values()];
  const overlaps = overlapsOf(nodes.flatMap(({ machine }) => [...machine.lives.values()]));
  const isUnfenced = (overlap: Overlap) => isKeptFromActing(overlap, nodes);
  const { waiting, delayed, active } = valkey.queue(queue).places;
  return {
    lost: all.filter(({ id }) => !isTerminal(stateOf(id, results))).map(({ id }) => describe(id, results)),
    duplicated: [
      ...overlaps.filter((one) => !isUnfenced(one)).map(describeOverlap),
      ...all.filter(({ id }) => successes(id, results) > 1).map(({ id }) => describe(id, results)),
      ...results.reversals,
      ...nodes.flatMap(({ machine }) => machine.host.doubled),
    ],
    inexact: all.flatMap(({ id }) => inexactLogs(id, results)),
    left: [
      ...nodes.flatMap(({ name, unfinished }) =>
        (unfinished ?? ['does not run']).map((one) => `${name}: ${one}`),
      ),
      ...[...waiting, ...delayed, ...active].map((id) => `${id} is in the queue`),
    ],
    wrong: [
      ...all.filter((job) => isWrong(job, { results, valkey })).map(({ id }) => describe(id, results)),
      ...nodes.flatMap(({ slowEnds }) => slowEnds),
    ],
    unfenced: overlaps.filter(isUnfenced).map(describeOverlap),
    repeated: all
      .filter(({ id }) => causes(id, results).includes('fenced'))
      .map(({ id }) => describe(id, results)),
  };
}

/** Who asked a daemon in the last moment of its absence knows so late of its return, and asks again. */
const RETURN_MS = TIMEOUT_MS + 1000;

function isKeptFromActing(overlap: Overlap, nodes: readonly SimulatedNode[]): boolean {
  const away = nodes.find(({ name }) => name === overlap.older.node)?.away ?? [];
  return isExcused(overlap, { away, returnMs: RETURN_MS });
}

function stateOf(id: string, results: SimulatedResults) {
  return results.jobs.get(id)?.state ?? 'queued';
}

function successes(id: string, results: SimulatedResults): number {
  return results.attemptsOf(id).filter(({ outcome }) => outcome?.state === 'succeeded').length;
}

function causes(id: string, results: SimulatedResults): string[] {
  return results.attemptsOf(id).flatMap(({ outcome }) => outcome?.death?.cause ?? []);
}

/** An attempt that ran to its end has its whole log; any other has the beginning of it. */
function inexactLogs(id: string, results: SimulatedResults): string[] {
  return results.attemptsOf(id).flatMap((attempt) => {
    const { outcome } = attempt;
    const isWhole = outcome?.state === 'succeeded' || (outcome?.state === 'failed' && outcome.exitCode === 3);
    const stored = results.text(attempt.id);
    const right = isWhole ? stored === textOf(attempt.id) : textOf(attempt.id).startsWith(stored);
    return right ? [] : [`${attempt.id} (${outcome?.state}): ${JSON.stringify(stored.slice(0, 300))}`];
  });
}

/** With these a fault ends an attempt. */
const FAULTS: ReadonlySet<string> = new Set([
  'daemon',
  'node_lost',
  'fenced',
  'sidecar',
  'killed',
  'internal',
]);

function isWrong(
  job: SimulatedJob,
  { results, valkey }: Pick<SimulatedEvidence, 'results' | 'valkey'>,
): boolean {
  const state = stateOf(job.id, results);
  if (!isTerminal(state) || state === 'lost') return false;
  if (state === 'cancelled') return !valkey.cancels.has(job.id);
  if (state === (job.exitCode === 0 ? 'succeeded' : 'failed')) return false;
  return !FAULTS.has(causes(job.id, results).at(-1) ?? '');
}

function describe(id: string, results: SimulatedResults): string {
  const attempts = results
    .attemptsOf(id)
    .map(
      ({ attempt, node, state, outcome }) =>
        `${attempt} ${node} ${outcome?.state ?? state} ${outcome?.death?.cause ?? ''}`,
    );
  return `${id}: ${stateOf(id, results)}; ${attempts.join('; ')}`;
}

function describeOverlap({ older, newer, fromMs, toMs }: Overlap): string {
  return `${older.attemptId} on ${older.node} and ${newer.attemptId} on ${newer.node} ran at once from ${fromMs} to ${toMs} ms`;
}

/** Is nothing held against the fleet? */
export function isFaultless({ lost, duplicated, inexact, left, wrong }: SimulatedVerdict): boolean {
  return [lost, duplicated, inexact, left, wrong].every((list) => list.length === 0);
}
