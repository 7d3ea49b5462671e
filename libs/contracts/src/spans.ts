import type { TimelineMoment } from './attempts.ts';

/** A span of the fleet's own, made from two recorded moments of an attempt. */
export interface SpanDefinition {
  readonly name: string;
  readonly begins: TimelineMoment;
  readonly ends: TimelineMoment;
  readonly parent: string;
  readonly describes: string;
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
  setup: 'setup',
  preTask: 'pre-task',
  run: 'run',
  firstByte: 'first byte',
  drain: 'log drain',
  teardown: 'teardown',
} as const;

/** The phases of an attempt. The job's own spans (OTLP) hang below `run`. */
export const ATTEMPT_SPANS: readonly SpanDefinition[] = [
  {
    name: SPAN.claim,
    begins: 'claimed',
    ends: 'network_started',
    parent: SPAN.attempt,
    describes: 'the worker has the job and checks that it may still run',
  },
  {
    name: SPAN.network,
    begins: 'network_started',
    ends: 'network_ended',
    parent: SPAN.attempt,
    describes: "the job's own network is made",
  },
  {
    name: SPAN.image,
    begins: 'image_started',
    ends: 'image_ended',
    parent: SPAN.attempt,
    describes: 'the image is found, pulled or built',
  },
  {
    name: SPAN.sidecar,
    begins: 'sidecar_started',
    ends: 'sidecar_ended',
    parent: SPAN.attempt,
    describes: 'the sidecar is created, started and answers',
  },
  {
    name: SPAN.create,
    begins: 'create_started',
    ends: 'create_ended',
    parent: SPAN.attempt,
    describes: 'the job container is created',
  },
  {
    name: SPAN.start,
    begins: 'start_started',
    ends: 'start_ended',
    parent: SPAN.attempt,
    describes: 'the job container is started and waits for its script',
  },
  {
    name: SPAN.setup,
    begins: 'setup_started',
    ends: 'setup_ended',
    parent: SPAN.attempt,
    describes: 'the setup script runs',
  },
  {
    name: SPAN.preTask,
    begins: 'pre_task_started',
    ends: 'pre_task_ended',
    parent: SPAN.attempt,
    describes: 'the pre-task script runs',
  },
  {
    name: SPAN.run,
    begins: 'main_started',
    ends: 'main_ended',
    parent: SPAN.attempt,
    describes: 'the main script or command runs',
  },
  {
    name: SPAN.firstByte,
    begins: 'main_started',
    ends: 'first_byte',
    parent: SPAN.run,
    describes: 'from the start of the main phase to its first output',
  },
  {
    name: SPAN.drain,
    begins: 'drain_started',
    ends: 'drain_ended',
    parent: SPAN.attempt,
    describes: 'the log is read to its end and stored',
  },
  {
    name: SPAN.teardown,
    begins: 'teardown_started',
    ends: 'teardown_ended',
    parent: SPAN.attempt,
    describes: 'containers and network are removed',
  },
];
