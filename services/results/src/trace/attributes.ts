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

/** The queue that the job waits in. */
export function queueAttributes(job: JobRow): Attributes {
  const spec = readPayload(job.payload)?.spec;
  const requires = labels.safeParse(spec?.requires).data ?? {};
  const services = z.array(z.string()).safeParse(spec?.services).data ?? [];
  return {
    'messaging.system': 'bullmq',
    'messaging.destination.name': queueName(queueOf({ pool: job.pool, requires, services })),
  };
}

const OPERATIONS = { enqueue: 'send', claim: 'receive', run: 'process' } as const;

/** What is done to the job as a message of its queue. */
export function messageAttributes(job: JobRow, operation: keyof typeof OPERATIONS): Attributes {
  return {
    ...queueAttributes(job),
    'messaging.operation.name': operation,
    'messaging.operation.type': OPERATIONS[operation],
    'messaging.message.id': job.id,
  };
}

export function attemptAttributes(
  job: JobRow,
  { id, node, state, outcome, image }: AttemptFacts,
): Attributes {
  return {
    'cronium.attempt': id,
    'cronium.node': node,
    'cronium.state': outcome?.state ?? state,
    'cicd.pipeline.task.name': job.name,
    'cicd.pipeline.task.run.id': id,
    'cicd.worker.name': node,
    ...messageAttributes(job, 'run'),
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
  const facts = Object.entries({ ...begin.attributes, ...end?.attributes });
  return Object.fromEntries(
    facts.map(([name, value]) => [MOMENT_ATTRIBUTES[name] ?? `cronium.${name}`, value]),
  );
}
