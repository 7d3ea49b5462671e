import { jobIdForSchedule, jobSpec, SCHEDULE_LABEL, type ScheduleRecord } from '@cronium/contracts';
import { HttpProblem } from '@cronium/http';
import { repeat } from '@cronium/lifecycle';
import type { Logger } from '@cronium/telemetry';
import { newJob } from '../intake/new-job.ts';
import { requestCancel } from '../queue/cancel.ts';
import { findJob } from '../queue/find.ts';
import type { FleetQueues } from '../queue/queues.ts';
import { dueTimes, timesToRun } from './rhythm.ts';
import type { ScheduleStore, StoredSchedule } from './store.ts';

/** What {@link Scheduler} works with. */
export interface SchedulerDeps {
  readonly store: ScheduleStore;
  readonly queues: FleetQueues;
  readonly log: Logger;
  /** Told of each job that was started. */
  onStarted?(): void;
  readonly now?: () => number;
}

const LOOK_EVERY_MS = 500;
const SCHEDULES_EACH = 100;
/** Of one schedule in one look: an absence of months is caught up in many looks. */
const TIMES_EACH = 200;
const CLAIM_MS = 30_000;

type Last = NonNullable<ScheduleRecord['last']>;

/**
 * Starts the jobs of schedules when they are due. Every producer runs one; they need no leader: the id of a job follows
 * from its schedule and its time, so that a time is run once however many producers see it, and a producer that dies
 * between adding the job and noting the next time leaves nothing but a repeat that changes nothing.
 */
export class Scheduler {
  readonly #deps: SchedulerDeps;

  constructor(deps: SchedulerDeps) {
    this.#deps = deps;
  }

  /** Looks again and again until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { log } = this.#deps;
    await repeat(() => this.look(), {
      everyMs: LOOK_EVERY_MS,
      signal,
      onError: (error) => log.warn({ err: error }, 'schedules could not be looked at; trying again'),
    });
  }

  /** Runs what is due now. */
  async look(): Promise<void> {
    const { store, log } = this.#deps;
    for (const { record } of await store.due(this.#now(), SCHEDULES_EACH)) {
      if (!(await store.claim(record, CLAIM_MS))) continue;
      try {
        // Read again: another producer may have run it just before.
        const stored = await store.get(record);
        if (stored !== undefined) await this.#runDue(stored);
      } catch (error) {
        log.warn({ err: error, schedule: record.name, tenant: record.tenant }, 'a schedule could not be run');
      } finally {
        await store.release(record);
      }
    }
  }

  async #runDue(stored: StoredSchedule): Promise<void> {
    const { store } = this.#deps;
    const { record } = stored;
    const nowMs = this.#now();
    if (record.nextAt === null || record.nextAt > nowMs) return;
    const { schedule, createdAt: sinceMs } = record;
    const { due, nextMs } = dueTimes(schedule, {
      fromMs: record.nextAt,
      untilMs: nowMs,
      sinceMs,
      limit: TIMES_EACH,
    });
    let { last } = record;
    for (const at of timesToRun(due, { catchUp: schedule.catchUp, nowMs })) {
      last = await this.#runOne({ ...record, last }, at);
    }
    // A record that was changed meanwhile has its own next time already.
    await store.replace(stored, { ...record, nextAt: nextMs, last });
  }

  /** Starts the job of one time, unless the policy leaves it out. */
  async #runOne(record: ScheduleRecord, at: number): Promise<Last> {
    const { queues, onStarted } = this.#deps;
    const { tenant, name, schedule, last } = record;
    const id = jobIdForSchedule(tenant, name, at);
    const former = schedule.overlap === 'allow' ? undefined : await this.#openJob(record, id);
    if (former !== undefined && schedule.overlap === 'skip') {
      const detail = `the run of ${new Date(last?.at ?? at).toISOString()} has not ended`;
      return { at, result: 'skipped', jobId: former, detail };
    }
    try {
      if (former !== undefined) await this.#cancel(former, record);
      const spec = jobSpec.parse({
        ...schedule.job,
        labels: { ...schedule.job.labels, [SCHEDULE_LABEL]: name },
      });
      const submission = { tenant, trace: undefined, receivedAt: this.#now(), keyed: true };
      await queues.add([newJob(spec, { id, submission })]);
      onStarted?.();
      return { at, result: 'started', jobId: id, detail: null };
    } catch (error) {
      // A full queue refuses this time as it refuses everybody; anything else is tried again.
      if (!(error instanceof HttpProblem)) throw error;
      return { at, result: 'rejected', jobId: null, detail: error.problem.detail ?? error.message };
    }
  }

  /** The job of the time before, when it has not ended. */
  async #openJob({ tenant, last }: ScheduleRecord, id: string): Promise<string | undefined> {
    if (last === null || last.jobId === null || last.jobId === id) return undefined;
    const job = await findJob(this.#deps.queues, last.jobId, tenant);
    return job !== undefined && !job.ended ? last.jobId : undefined;
  }

  async #cancel(jobId: string, { tenant, name }: ScheduleRecord): Promise<void> {
    const by = { name: `the schedule ${name}`, tenant, role: 'submitter' as const };
    await requestCancel(this.#deps.queues, jobId, { by, reason: 'its next run is due' });
  }

  #now(): number {
    return this.#deps.now?.() ?? Date.now();
  }
}
