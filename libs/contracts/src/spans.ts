import type { TimelineMoment } from './attempts.ts';
import type { SpanAttribute } from './span-attributes.ts';

/** What can be said of any of the fleet's own spans. */
interface Definition {
  readonly name: string;
  readonly describes: string;
  /** What it always has, once it has ended well. */
  readonly attributes: readonly SpanAttribute[];
  /** What it has when there is something to say. */
  readonly sometimes: readonly SpanAttribute[];
}

/** A span of an attempt's phase, made from two recorded moments. Its service is the worker, its kind internal. */
export interface PhaseDefinition extends Definition {
  readonly begins: TimelineMoment;
  readonly ends: TimelineMoment;
  readonly parent: string;
}

/** A span above the phases. */
export interface SpanDefinition extends Definition {
  readonly service: 'producer' | 'worker';
  readonly kind: 'internal' | 'server' | 'producer' | 'consumer';
  readonly parent: string | null;
  readonly begins: string;
  readonly ends: string;
}

/** The job's span lasts from the producer's receipt to its end; enqueue and queue wait stand below it. */
export const SPAN = {
  job: 'job',
  enqueue: 'enqueue',
  queueWait: 'queue wait',
  attempt: 'attempt',
  claim: 'claim',
  network: 'network',
  image: 'image',
  sidecar: 'sidecar',
  create: 'container create',
  start: 'container start',
  tenantPreTask: 'tenant pre-task',
  setup: 'setup',
  preTask: 'pre-task',
  run: 'run',
  firstByte: 'first byte',
  drain: 'log drain',
  teardown: 'teardown',
} as const;

const OF_JOB = ['cronium.job'] as const;
const OF_ATTEMPT = ['cronium.job', 'cronium.attempt'] as const;
const MESSAGE = [
  'messaging.system',
  'messaging.destination.name',
  'messaging.operation.name',
  'messaging.operation.type',
  'messaging.message.id',
] as const;
const DEATH = ['cronium.cause', 'cronium.message', 'error.type'] as const;

/** The spans of a job, and of each of its attempts as a whole. */
export const JOB_SPANS: readonly SpanDefinition[] = [
  {
    name: SPAN.job,
    service: 'producer',
    kind: 'server',
    parent: null,
    begins: 'the producer has the request',
    ends: 'the last attempt has ended, or the job was cancelled',
    describes:
      'the job, from its submit to its end; its parent is the submitter’s span, when a `traceparent` came',
    attributes: [
      ...OF_JOB,
      'cronium.name',
      'cronium.type',
      'cronium.pool',
      'cronium.state',
      'cicd.pipeline.name',
      'cicd.pipeline.run.id',
      'cicd.pipeline.result',
    ],
    sometimes: ['cronium.batch', 'cronium.exit_code', 'cicd.pipeline.run.state', ...DEATH],
  },
  {
    name: SPAN.enqueue,
    service: 'producer',
    kind: 'producer',
    parent: SPAN.job,
    begins: 'the producer has the request',
    ends: 'the job is handed to the queue',
    describes: 'the job is checked and put into its queue',
    attributes: [...OF_JOB, ...MESSAGE],
    sometimes: [],
  },
  {
    name: SPAN.queueWait,
    service: 'producer',
    kind: 'internal',
    parent: SPAN.job,
    begins: 'the job is in the queue, at first or again',
    ends: 'a worker claims it',
    describes: 'the job waits; once for each attempt',
    attributes: [...OF_ATTEMPT, 'messaging.system', 'messaging.destination.name'],
    sometimes: [],
  },
  {
    name: SPAN.attempt,
    service: 'worker',
    kind: 'consumer',
    parent: SPAN.job,
    begins: 'a worker claims the job',
    ends: 'nothing of the attempt is left on the node',
    describes: 'one attempt; its number follows its name: `attempt 1`',
    attributes: [
      ...OF_ATTEMPT,
      'cronium.node',
      'cronium.state',
      'cicd.pipeline.task.name',
      'cicd.pipeline.task.run.id',
      'cicd.pipeline.task.run.result',
      'cicd.worker.name',
      ...MESSAGE,
    ],
    sometimes: [
      'cronium.exit_code',
      'cronium.image',
      'container.name',
      'container.image.name',
      'container.image.id',
      'container.runtime.name',
      'process.exit.code',
      ...DEATH,
    ],
  },
];

/** The phases of an attempt. The job's own spans (OTLP) hang below `run`. */
export const ATTEMPT_SPANS: readonly PhaseDefinition[] = [
  {
    name: SPAN.claim,
    begins: 'claimed',
    ends: 'network_started',
    parent: SPAN.attempt,
    describes: 'the worker has the job and checks that it may still run',
    attributes: [...OF_ATTEMPT, ...MESSAGE],
    sometimes: [],
  },
  {
    name: SPAN.network,
    begins: 'network_started',
    ends: 'network_ended',
    parent: SPAN.attempt,
    describes: "the job's own network is made",
    attributes: [...OF_ATTEMPT],
    sometimes: ['cronium.subnet', 'cronium.slot', 'cronium.recycled'],
  },
  {
    name: SPAN.image,
    begins: 'image_started',
    ends: 'image_ended',
    parent: SPAN.attempt,
    describes: 'the image is found, pulled or built',
    attributes: [...OF_ATTEMPT, 'container.image.name', 'container.image.id'],
    sometimes: [],
  },
  {
    name: SPAN.sidecar,
    begins: 'sidecar_started',
    ends: 'sidecar_ended',
    parent: SPAN.attempt,
    describes: 'the sidecar is created, started and answers',
    attributes: [...OF_ATTEMPT],
    sometimes: ['cronium.start', 'cronium.services'],
  },
  {
    name: SPAN.create,
    begins: 'create_started',
    ends: 'create_ended',
    parent: SPAN.attempt,
    describes: 'the job container is created',
    attributes: [...OF_ATTEMPT],
    sometimes: ['cronium.start'],
  },
  {
    name: SPAN.start,
    begins: 'start_started',
    ends: 'start_ended',
    parent: SPAN.attempt,
    describes: 'the job container is started and waits for its script',
    attributes: [...OF_ATTEMPT],
    sometimes: ['cronium.start'],
  },
  {
    name: SPAN.tenantPreTask,
    begins: 'tenant_pre_task_started',
    ends: 'tenant_pre_task_ended',
    parent: SPAN.attempt,
    describes: "the tenant's own script runs, which comes before all its jobs",
    attributes: [...OF_ATTEMPT],
    sometimes: ['process.exit.code'],
  },
  {
    name: SPAN.setup,
    begins: 'setup_started',
    ends: 'setup_ended',
    parent: SPAN.attempt,
    describes: 'the setup script runs',
    attributes: [...OF_ATTEMPT],
    sometimes: ['process.exit.code'],
  },
  {
    name: SPAN.preTask,
    begins: 'pre_task_started',
    ends: 'pre_task_ended',
    parent: SPAN.attempt,
    describes: 'the pre-task script runs',
    attributes: [...OF_ATTEMPT],
    sometimes: ['process.exit.code'],
  },
  {
    name: SPAN.run,
    begins: 'main_started',
    ends: 'main_ended',
    parent: SPAN.attempt,
    describes: 'the main script or command runs',
    attributes: [...OF_ATTEMPT, 'process.exit.code'],
    sometimes: ['cronium.unrunnable', 'cronium.held_ms'],
  },
  {
    name: SPAN.firstByte,
    begins: 'main_started',
    ends: 'first_byte',
    parent: SPAN.run,
    describes: 'from the start of the main phase to its first output',
    attributes: [...OF_ATTEMPT],
    sometimes: [],
  },
  {
    name: SPAN.drain,
    begins: 'drain_started',
    ends: 'drain_ended',
    parent: SPAN.attempt,
    describes: 'the log is read to its end and stored',
    attributes: [...OF_ATTEMPT],
    sometimes: [],
  },
  {
    name: SPAN.teardown,
    begins: 'teardown_started',
    ends: 'teardown_ended',
    parent: SPAN.attempt,
    describes: 'containers and network are removed',
    attributes: [...OF_ATTEMPT],
    sometimes: [],
  },
];
