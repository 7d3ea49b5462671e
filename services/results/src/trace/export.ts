import { isTerminal, type JobState, type SpanView } from '@cronium/contracts';
import { pause, pauseBefore } from '@cronium/lifecycle';
import type { Logger, Metrics, RecordedSpan, SpanSender } from '@cronium/telemetry';
import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { toFacts } from '../queries/attempts-write.ts';
import { attemptsOf, getJob, type JobRow } from '../queries/jobs-read.ts';
import {
  countTraces,
  deferTraces,
  dropOldestTraces,
  putTraces,
  removeTraces,
  takeTraces,
} from '../queries/trace-outbox.ts';
import { traceOfJob } from './assemble.ts';
import { isSampled, type SamplingRule } from './sampling.ts';

/** How {@link TraceExport} is made. */
export interface TraceExportOptions {
  readonly db: Kysely<Database>;
  readonly sender: SpanSender;
  readonly rule: SamplingRule;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Traces that wait at most; beyond it the oldest are given up. */
  readonly maxWaiting?: number;
  /** A trace is looked at this long after its job's end, and again until its sandbox is removed. */
  readonly settleMs?: number;
}

const JOBS_EACH = 20;
const LOOK_EVERY_MS = 1000;
/** A sandbox that is not removed by then may never be told of: its node is gone. */
const WHOLE_WITHIN_MS = 60_000;
const SENDS_AT_ONCE = 4;

/**
 * Sends the traces of ended jobs to a collector. What is to be sent is noted in the transaction in which a job ends, and
 * removed when the collector has it: a process that dies, or a collector that is away, loses nothing; a trace may be sent
 * twice, with the same ids. Nothing else ever waits for it.
 */
export class TraceExport {
  readonly #options: TraceExportOptions;
  readonly #traces;
  readonly #spans;
  readonly #dropped;
  #sending = 0;

  constructor(options: TraceExportOptions) {
    this.#options = options;
    const { metrics, db } = options;
    this.#traces = metrics.counter('traces_exported_total');
    this.#spans = metrics.counter('trace_spans_exported_total');
    this.#dropped = metrics.counter('traces_dropped_total');
    metrics.readOne('traces_waiting', () => countTraces(db));
  }

  /** Notes jobs that end in this transaction. */
  async onEnded(trx: Kysely<Database>, jobIds: readonly string[]): Promise<void> {
    const nowMs = Date.now();
    await putTraces(trx, jobIds, { nowMs, dueMs: nowMs + (this.#options.settleMs ?? 2000) });
  }

  /** Passes on spans that belong to no job, such as a submitter's, at once. What the collector does not take is counted. */
  forward(spans: readonly SpanView[]): void {
    if (spans.length === 0) return;
    if (this.#sending >= SENDS_AT_ONCE) {
      this.#dropped.inc({ reason: 'away' });
      return;
    }
    this.#sending += 1;
    this.#send(spans)
      .catch(() => this.#dropped.inc({ reason: 'away' }))
      .finally(() => {
        this.#sending -= 1;
      });
  }

  /** Sends what is due until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        const seen = await this.#round();
        failures = 0;
        if (seen < JOBS_EACH) await pause(LOOK_EVERY_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        if (failures === 1)
          this.#options.log.warn({ err: error }, 'the collector takes no traces; they wait');
        await this.#boundWaiting();
        await pause(pauseBefore(failures + 1, { baseMs: 500, maxMs: 30_000 }), signal).catch(() => undefined);
      }
    }
  }

  async #boundWaiting(): Promise<void> {
    const { db, maxWaiting = 100_000, log } = this.#options;
    try {
      const dropped = await dropOldestTraces(db, maxWaiting);
      this.#dropped.inc({ reason: 'away' }, dropped);
    } catch (error) {
      log.debug({ err: error }, 'old traces could not be given up');
    }
  }

  /** @returns how many jobs were looked at */
  async #round(): Promise<number> {
    return await this.#options.db.transaction().execute(async (trx) => {
      const nowMs = Date.now();
      const taken = await takeTraces(trx, { nowMs, limit: JOBS_EACH });
      const early: string[] = [];
      const spans: SpanView[] = [];
      let traces = 0;
      for (const { jobId, sinceMs } of taken) {
        const job = await getJob(trx, jobId);
        if (job === undefined || !isTerminal(job.state as JobState)) continue;
        if (nowMs - sinceMs < WHOLE_WITHIN_MS && !(await isWhole(trx, job))) early.push(jobId);
        else if (isSampled(job, this.#options.rule)) {
          spans.push(...(await spansOf(trx, job)));
          traces += 1;
        } else this.#dropped.inc({ reason: 'sampled' });
      }
      await this.#send(spans);
      this.#traces.inc(traces);
      await deferTraces(trx, early, nowMs + LOOK_EVERY_MS);
      const done = taken.map(({ jobId }) => jobId).filter((id) => !early.includes(id));
      await removeTraces(trx, done);
      return taken.length;
    });
  }

  async #send(spans: readonly SpanView[]): Promise<void> {
    if (spans.length === 0) return;
    await this.#options.sender.send(spans.map(toRecorded));
    this.#spans.inc(spans.length);
  }
}

/** Is the last thing known that happens to a job: its sandbox removed? */
async function isWhole(db: Kysely<Database>, { id, attempt }: JobRow): Promise<boolean> {
  if (attempt === 0) return true;
  const newest = (await attemptsOf(db, id)).map(toFacts).at(-1);
  return newest?.timeline.some(({ moment }) => moment === 'teardown_ended') ?? true;
}

async function spansOf(db: Kysely<Database>, job: JobRow): Promise<SpanView[]> {
  const { spans } = await traceOfJob(db, job);
  return spans.filter(({ attributes }) => attributes['cronium.job'] === job.id);
}

const FLEET: ReadonlySet<string> = new Set(['producer', 'worker', 'results', 'runtime-api']);

function toRecorded(span: SpanView): RecordedSpan {
  return {
    ...span,
    service: FLEET.has(span.service) ? `cronium-${span.service}` : span.service,
    endMs: span.endMs ?? span.startMs,
  };
}
