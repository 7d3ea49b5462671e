import { type FlowRecord, flowRecord, jobIdForStep, TERMINAL_STATES } from '@cronium/contracts';
import { type Kysely, type Selectable, sql } from 'kysely';
import { pgText, recordset } from '../db/bulk.ts';
import type { Database, FlowStepsTable, FlowsTable } from '../db/schema.ts';

export type FlowRow = Selectable<FlowsTable>;
export type FlowStepRow = Selectable<FlowStepsTable>;

/** Stores a flow with its steps, those that wait for nothing to be started; one that is there already stays as it is. */
export async function insertFlow(db: Kysely<Database>, record: FlowRecord): Promise<void> {
  const { flowId, tenant, definition, traceId, acceptedAt } = record;
  const inserted = await db
    .insertInto('flows')
    .values({
      id: flowId,
      tenant,
      name: pgText(definition.name),
      record: JSON.stringify(record),
      trace_id: traceId,
      state: 'running',
      created_ms: acceptedAt,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst();
  if (inserted === undefined) return;
  const steps = definition.steps.map(({ name, after }, position) => ({
    flow_id: flowId,
    position,
    name,
    job_id: jobIdForStep(flowId, name),
    state: after.length === 0 ? 'starting' : 'waiting',
    outcome: null,
    condition: null,
    reason: null,
  }));
  await db.insertInto('flow_steps').values(steps).execute();
}

/** Flows with a step to start, or with one whose job has ended; those that ended themselves are none of them. */
export async function flowsToMove(db: Kysely<Database>, limit: number): Promise<string[]> {
  const { rows } = await sql<{ flow_id: string }>`
    SELECT DISTINCT s.flow_id FROM flow_steps s LEFT JOIN jobs j ON j.id = s.job_id
    WHERE s.state IN ('starting', 'started')
      AND (s.state = 'starting' OR j.state = ANY(${[...TERMINAL_STATES]}::text[]))
    LIMIT ${limit}`.execute(db);
  return rows.map(({ flow_id }) => flow_id);
}

/** Is there a step that runs, or is to be started? */
export async function hasOpenSteps(db: Kysely<Database>): Promise<boolean> {
  const { rows } = await sql<{ open: boolean }>`
    SELECT EXISTS (SELECT FROM flow_steps WHERE state IN ('starting', 'started')) AS open`.execute(db);
  return rows[0]?.open ?? false;
}

/** The flow, locked until the transaction ends; undefined when another process has it. */
export async function lockFlow(
  db: Kysely<Database>,
  id: string,
  { wait }: { wait: boolean },
): Promise<FlowRow | undefined> {
  const query = db.selectFrom('flows').selectAll().where('id', '=', id).forUpdate();
  return await (wait ? query : query.skipLocked()).executeTakeFirst();
}

/** What a flow's jobs have come to. */
export interface StepWithJob extends FlowStepRow {
  readonly job_state: string | null;
  /** What the job's newest attempt set. */
  readonly job_condition: boolean | null;
}

export async function stepsOf(db: Kysely<Database>, flowId: string): Promise<StepWithJob[]> {
  const { rows } = await sql<StepWithJob>`
    SELECT s.*, j.state AS job_state,
      (SELECT d.condition FROM attempt_data d WHERE d.job_id = s.job_id AND d.attempt = j.attempt) AS job_condition
    FROM flow_steps s LEFT JOIN jobs j ON j.id = s.job_id
    WHERE s.flow_id = ${flowId} ORDER BY s.position`.execute(db);
  return rows;
}

const STEP = {
  position: 'integer',
  state: 'text',
  outcome: 'text',
  condition: 'boolean',
  reason: 'text',
} as const;

export async function updateSteps(
  db: Kysely<Database>,
  flowId: string,
  steps: readonly Pick<FlowStepRow, 'position' | 'state' | 'outcome' | 'condition' | 'reason'>[],
): Promise<void> {
  if (steps.length === 0) return;
  const rows = steps.map(({ position, state, outcome, condition, reason }) => ({
    ...{ position, state, outcome, condition, reason },
  }));
  await sql`UPDATE flow_steps s SET state = v.state, outcome = v.outcome, condition = v.condition, reason = v.reason
    FROM ${recordset(STEP, rows)} WHERE s.flow_id = ${flowId} AND s.position = v.position`.execute(db);
}

/** The step's job is in the queue. */
export async function markStarted(db: Kysely<Database>, flowId: string, position: number): Promise<void> {
  await sql`UPDATE flow_steps SET state = 'started'
    WHERE flow_id = ${flowId} AND position = ${position} AND state = 'starting'`.execute(db);
}

export async function endFlow(
  db: Kysely<Database>,
  id: string,
  { state, atMs }: { state: string; atMs: number },
): Promise<void> {
  await db.updateTable('flows').set({ state, ended_ms: atMs }).where('id', '=', id).execute();
}

export async function noteCancel(
  db: Kysely<Database>,
  id: string,
  { by, atMs }: { by: string; atMs: number },
): Promise<void> {
  await db
    .updateTable('flows')
    .set({ cancelled_by: pgText(by), cancelled_ms: atMs })
    .where('id', '=', id)
    .where('ended_ms', 'is', null)
    .execute();
}

/** A flow in a list, with how far it is. */
export type ListedFlow = Pick<FlowRow, 'id' | 'name' | 'state' | 'trace_id' | 'created_ms' | 'ended_ms'> & {
  readonly steps: number;
  readonly done: number;
};

/** Flows by age, newest first. */
export async function listFlows(
  db: Kysely<Database>,
  options: {
    tenant: string;
    state?: string | undefined;
    before?: { ms: number; id: string } | undefined;
    limit: number;
  },
): Promise<ListedFlow[]> {
  const { tenant, state, before, limit } = options;
  const { rows } = await sql<ListedFlow>`
    SELECT f.id, f.name, f.state, f.trace_id, f.created_ms, f.ended_ms, c.steps, c.done FROM flows f, LATERAL (
      SELECT count(*) AS steps, count(*) FILTER (WHERE s.state IN ('ended', 'skipped')) AS done
      FROM flow_steps s WHERE s.flow_id = f.id
    ) c
    WHERE f.tenant = ${tenant} ${state === undefined ? sql`` : sql`AND f.state = ${state}`}
      ${before === undefined ? sql`` : sql`AND (f.created_ms, f.id) < (${before.ms}::double precision, ${before.id})`}
    ORDER BY f.created_ms DESC, f.id DESC LIMIT ${limit}`.execute(db);
  return rows;
}

export async function getFlow(db: Kysely<Database>, id: string): Promise<FlowRow | undefined> {
  return await db.selectFrom('flows').selectAll().where('id', '=', id).executeTakeFirst();
}

/** The record that was stored. */
export function recordOf(row: Pick<FlowRow, 'record'>): FlowRecord {
  return flowRecord.parse(JSON.parse(row.record));
}

/** Deletes flows that ended before a time. */
export async function deleteFlowsBefore(db: Kysely<Database>, beforeMs: number): Promise<void> {
  await sql`WITH old AS (DELETE FROM flows WHERE ended_ms < ${beforeMs} RETURNING id)
    DELETE FROM flow_steps WHERE flow_id IN (SELECT id FROM old)`.execute(db);
}
