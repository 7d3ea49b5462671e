import {
  type AttemptUpdateResults,
  attemptIdOf,
  attemptUpdate,
  isTerminal,
  type JobState,
} from '@cronium/contracts';
import { z } from 'zod';
import { pgText } from '../db/bulk.ts';
import type { IntakeWrite, JobChange, KnownJob } from '../queries/attempts-write.ts';
import { byId } from '../queries/jobs-write.ts';
import {
  type AttemptFacts,
  type AttemptReport,
  applyAttempt,
  asCounted,
  endedMs,
  isOver,
  type JobFacts,
  lostAttempt,
  mergeAttempt,
  momentMs,
} from './fold.ts';
import { storedPayload } from './payload.ts';

/** An update as results reads it: the payload only as far as results needs it. */
export const ingestUpdates = z.array(attemptUpdate.extend({ payload: storedPayload })).max(1000);
export type IngestUpdate = z.infer<typeof ingestUpdates>[number];

/** What is answered to an update. */
export type Result = AttemptUpdateResults['results'][number];

/** The updates of one request, put onto what was known: all that results decides about attempts. Pure. */
export class Fold {
  readonly #jobs: Map<string, JobFacts>;
  readonly #attempts: Map<string, AttemptFacts>;
  /** What was known of the jobs was of these changes. */
  readonly #seen: ReadonlyMap<string, string>;
  /** Ids of jobs of which anything changed. */
  readonly #touched = new Set<string>();
  readonly #changed = new Set<string>();
  readonly #before = new Map<string, JobFacts>();

  constructor(known: readonly KnownJob[]) {
    this.#jobs = new Map(known.map((row) => [row.id, factsOf(row)]));
    this.#attempts = new Map(known.flatMap(({ attempts }) => attempts.map((one) => [one.id, one])));
    this.#seen = new Map(known.map(({ id, changed }) => [id, changed]));
  }

  apply(update: IngestUpdate): Result {
    const told = reportOf(update);
    const answer = (result: Result['result']): Result => ({ attemptId: told.id, result });
    const job = this.#jobs.get(told.jobId);
    // Cannot be: the row was inserted before.
    if (job === undefined) throw new Error(`job ${told.jobId} has no row`);
    if (isOver(job, told, this.#attempts.get(told.id)) && told.attempt > job.attempt) return answer('ended');
    const { stayMs: _, attemptBase: __, ...facts } = told;
    const merged = this.#merge(asCounted(job, facts));
    if (isOver(job, told, merged)) return answer('ended');
    for (const attempt of update.lostAttempts) {
      if (attempt >= told.attempt) continue;
      this.#merge(lostAttempt(told, attempt, this.#attempts.get(attemptIdOf(told.jobId, attempt))));
    }
    if (!this.#before.has(told.jobId)) this.#before.set(told.jobId, job);
    this.#jobs.set(told.jobId, applyAttempt(job, told, merged));
    return answer(told.attempt < job.attempt ? 'stale' : 'stored');
  }

  /** All that is to be written. */
  written(): IntakeWrite {
    const jobs = [...this.#touched].sort().map((id) => ({ id, seen: this.#seen.get(id) ?? '0' }));
    const attempts = [...this.#changed].flatMap((id) => this.#attempts.get(id) ?? []);
    return { jobs, attempts, changes: this.#changedJobs().sort(byId) };
  }

  /** The jobs whose newest attempt was told of, as their rows are now to be. */
  #changedJobs(): JobChange[] {
    return [...this.#before.keys()].flatMap((id) => {
      const job = this.#jobs.get(id);
      const newest = job && this.#attempts.get(attemptIdOf(id, job.attempt));
      // An attempt that was settled by a retry says nothing of the job now.
      if (!job || !newest || !this.#changed.has(newest.id) || newest.attempt <= job.settledAttempt) return [];
      return [jobChange(id, job, newest)];
    });
  }

  /** The jobs that these updates brought to their end. */
  endedJobs(): string[] {
    return [...this.#before].flatMap(([id, before]) => {
      const after = this.#jobs.get(id);
      if (after === undefined || !isTerminal(after.state)) return [];
      // A retry by hand may be told of for the first time by its end.
      return !isTerminal(before.state) || after.attempt > before.attempt ? [id] : [];
    });
  }

  #merge(told: AttemptFacts): AttemptFacts {
    const before = this.#attempts.get(told.id);
    const merged = mergeAttempt(before, told);
    if (before === undefined || JSON.stringify(before) !== JSON.stringify(merged)) {
      this.#attempts.set(told.id, merged);
      this.#changed.add(told.id);
      this.#touched.add(told.jobId);
    }
    return merged;
  }
}

function factsOf({ state, attempt, settled_attempt, stay_ms }: KnownJob): JobFacts {
  return { state: state as JobState, attempt, settledAttempt: settled_attempt, stayMs: stay_ms };
}

function reportOf(update: IngestUpdate): AttemptReport {
  return {
    id: update.attemptId,
    jobId: update.jobId,
    attempt: update.attempt,
    node: pgText(update.node),
    day: update.day,
    state: update.state,
    timeline: update.timeline,
    outcome: update.outcome ?? null,
    inferred: false,
    final: update.final,
    nextRunMs: update.nextRunAt ?? null,
    image: update.image ?? null,
    stayMs: update.payload.acceptedAt,
    attemptBase: update.payload.attemptBase,
  };
}

function jobChange(id: string, job: JobFacts, newest: AttemptFacts): JobChange {
  const ended = isTerminal(job.state);
  const started = momentMs(newest, 'main_started');
  const mainEnded = momentMs(newest, 'main_ended');
  const death = ended ? (newest.outcome?.death ?? null) : null;
  return {
    id,
    state: job.state,
    attempt: job.attempt,
    settled_attempt: job.settledAttempt,
    stay_ms: job.stayMs,
    node: newest.node,
    exit_code: ended ? (newest.outcome?.exitCode ?? null) : null,
    cause: death?.cause ?? null,
    message: death === null ? null : pgText(death.message),
    next_run_ms: job.state === 'queued' ? newest.nextRunMs : null,
    started_ms: started,
    ended_ms: ended ? endedMs(newest) : null,
    run_ms: ended && started !== null && mainEnded !== null ? mainEnded - started : null,
  };
}
