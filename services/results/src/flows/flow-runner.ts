import {
  decideSteps,
  FLOW_LABEL,
  type FlowRecord,
  flowOutcome,
  isTerminal,
  type JobState,
  jobSpec,
  type QueuePayload,
  STEP_LABEL,
  type StepFacts,
  type TerminalState,
} from '@cronium/contracts';
import { repeat } from '@cronium/lifecycle';
import type { Logger } from '@cronium/telemetry';
import type { Kysely } from 'kysely';
import { withRetry } from '../db/retry.ts';
import type { Database } from '../db/schema.ts';
import type { Canceller } from '../ingest/cancel.ts';
import type { Changes } from '../live/changes.ts';
import {
  endFlow,
  flowsToMove,
  hasOpenSteps,
  insertFlow,
  lockFlow,
  markStarted,
  noteCancel,
  recordOf,
  type StepWithJob,
  stepsOf,
  updateSteps,
} from '../queries/flows.ts';
import { knownJobs } from '../queries/jobs-write.ts';
import type { Queues } from '../queue/queues.ts';

/** What {@link FlowRunner} works with. */
export interface FlowRunnerDeps {
  readonly db: Kysely<Database>;
  readonly queues: Queues;
  readonly canceller: Canceller;
  readonly changes: Changes;
  readonly log: Logger;
}

const LOOK_EVERY_MS = 500;
/** While no flow is under way, or nothing changes. */
const QUIET_MS = 5000;
const FLOWS_EACH = 100;

/**
 * Moves flows on. It looks at what is stored, and not at what happens: a step whose job has ended and that the flow has
 * not noted yet is work to do, whoever stored the end and whenever. So nothing is lost with a process, and any number
 * of processes may look.
 */
export class FlowRunner {
  readonly #deps: FlowRunnerDeps;
  /** There is, or may be, more to do than changes of jobs tell of. */
  #hasMore = false;
  /** Some flow waits for a job. */
  #isUnderWay = true;

  constructor(deps: FlowRunnerDeps) {
    this.#deps = deps;
  }

  /** Stores an accepted flow. Doing it again changes nothing. */
  async accept(flowId: string): Promise<void> {
    const { db, queues } = this.#deps;
    const record = await queues.flow(flowId);
    // Stored before: the value is removed after the commit.
    if (record === undefined) return;
    await withRetry(() => db.transaction().execute((trx) => insertFlow(trx, record)));
    this.#hasMore = true;
    await queues.forgetFlow(flowId);
  }

  /** Starts nothing more of a flow, and cancels its jobs. */
  async cancel(
    flowId: string,
    { tenant, by, atMs }: { tenant: string; by: string; atMs: number },
  ): Promise<void> {
    const { db, canceller } = this.#deps;
    await this.accept(flowId);
    const jobs = await withRetry(() =>
      db.transaction().execute(async (trx) => {
        const flow = await lockFlow(trx, flowId, { wait: true });
        if (flow === undefined || flow.tenant !== tenant || flow.ended_ms !== null) return [];
        await noteCancel(trx, flowId, { by, atMs });
        const steps = await stepsOf(trx, flowId);
        const waiting = steps.filter(({ state }) => state === 'waiting');
        const reason = `the flow was cancelled by ${by}`;
        await updateSteps(
          trx,
          flowId,
          waiting.map((step) => ({ ...step, state: 'skipped', reason })),
        );
        return steps
          .filter(({ state }) => state === 'starting' || state === 'started')
          .map(({ job_id }) => job_id);
      }),
    );
    await canceller.cancelJobs(jobs, { by, reason: 'its flow was cancelled', atMs });
  }

  /** Looks again and again until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { changes, log } = this.#deps;
    const isWorthALook = changes.worthALook(QUIET_MS);
    const look = async () => {
      if (!isWorthALook(this.#isUnderWay) && !this.#hasMore) return;
      this.#hasMore = false;
      await this.look();
    };
    await repeat(look, {
      everyMs: LOOK_EVERY_MS,
      signal,
      onError: (error) => log.warn({ err: error }, 'flows could not be moved on; trying again'),
    });
  }

  /** Moves on what can be. */
  async look(): Promise<void> {
    const { db, log } = this.#deps;
    const ids = await flowsToMove(db, FLOWS_EACH);
    this.#hasMore ||= ids.length > 0;
    this.#isUnderWay = this.#hasMore || (await hasOpenSteps(db));
    for (const id of ids) {
      try {
        await this.#move(id);
      } catch (error) {
        log.warn({ err: error, flow: id }, 'a flow could not be moved on; trying again');
      }
    }
  }

  /** First what is decided is stored, then jobs are put into the queue, then that they are there is stored. */
  async #move(id: string): Promise<void> {
    const { db } = this.#deps;
    const decided = await db.transaction().execute((trx) => decide(trx, id));
    if (decided === undefined) return;
    const { record, starting } = decided;
    for (const step of starting) {
      await this.#enqueue(record, step);
      await markStarted(db, id, step.position);
    }
  }

  /** The job's id follows from flow and step, and the queue and the table of jobs know what was added before. */
  async #enqueue(record: FlowRecord, { name, job_id: id }: StepWithJob): Promise<void> {
    const { db, queues } = this.#deps;
    if ((await knownJobs(db, [id])).has(id)) return;
    const step = record.definition.steps.find((one) => one.name === name);
    if (step === undefined) throw new Error(`flow ${record.flowId} has no step ${name}`);
    const { flowId, tenant, traceId, parentSpanId } = record;
    const labels = { ...step.job.labels, [FLOW_LABEL]: flowId, [STEP_LABEL]: name };
    const now = Date.now();
    const payload: QueuePayload = {
      v: 1,
      spec: jobSpec.parse({ ...step.job, labels }),
      tenant,
      traceId,
      ...(parentSpanId !== undefined && { parentSpanId }),
      receivedAt: now,
      acceptedAt: now,
      attemptBase: 0,
      postponed: 0,
    };
    await queues.add(id, payload);
  }
}

interface Decided {
  readonly record: FlowRecord;
  readonly starting: readonly StepWithJob[];
}

/** Notes which jobs have ended, decides on the steps behind them, and ends the flow after its last one. */
async function decide(trx: Kysely<Database>, id: string): Promise<Decided | undefined> {
  const flow = await lockFlow(trx, id, { wait: false });
  if (flow === undefined || flow.ended_ms !== null) return undefined;
  const record = recordOf(flow);
  const before = await stepsOf(trx, id);
  const noted = before.map(noteEnd);
  const decisions = new Map(
    decideSteps(record.definition, noted.map(toFacts)).map((decision) => [decision.name, decision]),
  );
  const after = noted.map((step) => ({ ...step, ...decisions.get(step.name) }));
  await updateSteps(
    trx,
    id,
    after.filter((step, index) => step.state !== before[index]?.state),
  );
  if (after.every(({ state }) => state === 'ended' || state === 'skipped')) {
    const state =
      flow.cancelled_by === null ? flowOutcome(record.definition, after.map(toFacts)) : 'cancelled';
    await endFlow(trx, id, { state, atMs: Date.now() });
  }
  return { record, starting: after.filter(({ state }) => state === 'starting') };
}

function noteEnd(step: StepWithJob): StepWithJob {
  const jobState = step.job_state as JobState | null;
  const isOpen = step.state === 'started' || step.state === 'starting';
  if (!isOpen || jobState === null || !isTerminal(jobState)) return step;
  return { ...step, state: 'ended', outcome: jobState, condition: step.job_condition };
}

function toFacts({ name, state, outcome, condition }: StepWithJob): StepFacts {
  return {
    name,
    state: state as StepFacts['state'],
    outcome: outcome as TerminalState | null,
    condition,
  };
}
