import {
  isTerminal,
  type JobState,
  jobContainerName,
  labels,
  MOMENT_ATTRIBUTES,
  type Outcome,
  queueName,
  queueOf,
  type SpanAttribute,
  type TimelineEntry,
} from '@cronium/contracts';
import { z } from 'zod';
import type { AttemptFacts } from '../ingest/fold.ts';
import { readPayload } from '../ingest/payload.ts';
import type { JobRow } from '../queries/jobs-read.ts';

/** Attributes of a span by their names. */
export type Attributes = { [K in SpanAttribute]?: string | number | boolean };

const RESULT: Readonly<Partial<Record<JobState, string>>> = {
  succeeded: 'success',
  failed: 'failure',
  timed_out: 'timeout',
  cancelled: 'cancellation',
  lost: 'error',
};

export function jobAttributes(job: JobRow): Attributes {
  const state = job.state as JobState;
  return {
    'cronium.name': job.name,
    'cronium.type': job.type,
    'cronium.pool': job.pool,
    'cronium.state': state,
    'cicd.pipeline.name': job.name,
    'cicd.pipeline.run.id': job.id,
    ...(isTerminal(state)
      ? { 'cicd.pipeline.result': RESULT[state] ?? state }
      : { 'cicd.pipeline.run.state': runState(state) }),
    ...(job.batch_id !== null && { 'cronium.batch': job.batch_id }),
    ...(job.exit_code !== null && { 'cronium.exit_code': job.exit_code }),
    ...(job.cause !== null && deathAttributes({ cause: job.cause, message: job.message ?? '' })),
  };
}

function runState(state: JobState): string {
  if (state === 'queued') return 'pending';
  return state === 'draining' ? 'finalizing' : 'executing';
}

function deathAttributes({ cause, message }: { cause: string; message: string }): Attributes {
  return { 'cronium.cause': cause, 'cronium.message': message, 'error.type': cause };
}

/** A job, and what its spans say of its payload, which is read once for all of them. */
export interface TracedJob {
  readonly job: JobRow;
  /** The submitter's span. */
  readonly parentSpanId: string | null;
  /** The queue that the job waits in. */
  readonly queue: Attributes;
}

export function tracedJob(job: JobRow): TracedJob {
  const payload = readPayload(job.payload);
  const requires = labels.safeParse(payload?.spec.requires).data ?? {};
  const services = z.array(z.string()).safeParse(payload?.spec.services).data ?? [];
  const queue = {
    'messaging.system': 'bullmq',
    'messaging.destination.name': queueName(queueOf({ pool: job.pool, requires, services })),
  };
  return { job, parentSpanId: payload?.parentSpanId ?? null, queue };
}

const OPERATIONS = { enqueue: 'send', claim: 'receive', run: 'process' } as const;

/** What is done to the job as a message of its queue. */
export function messageAttributes({ job, queue }: TracedJob, operation: keyof typeof OPERATIONS): Attributes {
  return {
    ...queue,
    'messaging.operation.name': operation,
    'messaging.operation.type': OPERATIONS[operation],
    'messaging.message.id': job.id,
  };
}

export function attemptAttributes(
  traced: TracedJob,
  { id, node, state, outcome, image }: AttemptFacts,
): Attributes {
  const { job } = traced;
  return {
    'cronium.attempt': id,
    'cronium.node': node,
    'cronium.state': outcome?.state ?? state,
    'cicd.pipeline.task.name': job.name,
    'cicd.pipeline.task.run.id': id,
    'cicd.worker.name': node,
    ...messageAttributes(traced, 'run'),
    ...(outcome !== null && outcomeAttributes(outcome)),
    ...(image !== null && {
      'cronium.image': image.reference,
      'container.name': jobContainerName(job.id),
      'container.image.name': image.reference,
      'container.image.id': image.id,
      'container.runtime.name': 'docker',
    }),
  };
}

function outcomeAttributes({ state, exitCode, death }: Outcome): Attributes {
  return {
    'cicd.pipeline.task.run.result': RESULT[state] ?? state,
    ...(exitCode !== null && { 'cronium.exit_code': exitCode, 'process.exit.code': exitCode }),
    ...(state !== 'succeeded' && { 'error.type': state }),
    ...(death !== null && deathAttributes(death)),
  };
}

/** What was recorded with the two moments of a phase. */
export function phaseAttributes(
  begin: TimelineEntry,
  end: TimelineEntry | undefined,
): Record<string, unknown> {
  if (begin.attributes === undefined && end?.attributes === undefined) return {};
  const facts = Object.entries({ ...begin.attributes, ...end?.attributes });
  return Object.fromEntries(
    facts.map(([name, value]) => [MOMENT_ATTRIBUTES[name] ?? `cronium.${name}`, value]),
  );
}
