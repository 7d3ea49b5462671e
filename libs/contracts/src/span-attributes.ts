/**
 * The attributes of the fleet's spans. Where OpenTelemetry has a name (semantic conventions 1.45: messaging, container,
 * cicd, process, error), it is used; the rest begins with `cronium.`. A job is a pipeline run, an attempt a task run,
 * a node a worker, the queue a messaging destination.
 */
export const SPAN_ATTRIBUTES = {
  'cronium.job': 'the job’s id',
  'cronium.name': 'the job’s name',
  'cronium.type': '`script`, `container`, `http` or `tool`',
  'cronium.pool': 'the pool',
  'cronium.state': 'the state, for ended ones the end state',
  'cronium.batch': 'the batch’s id',
  'cronium.attempt': 'the attempt’s id',
  'cronium.node': 'the node’s name',
  'cronium.exit_code': 'the exit code',
  'cronium.cause': 'the death record’s cause',
  'cronium.message': 'the death record’s sentence',
  'cronium.image': 'the image’s reference',
  'cronium.subnet': 'the job network’s addresses',
  'cronium.slot': 'the id of the slot: network, namespace holder and sidecar',
  'cronium.recycled': 'true when the slot served another job before',
  'cronium.start': '`warm` when the job container stood ready before the job came, else `cold`',
  'cronium.unrunnable': 'true when the program could not be started at all',
  'cronium.held_ms': 'how long the job was held still because its lock was in doubt',
  'messaging.system': '`bullmq`',
  'messaging.destination.name': 'the queue’s name',
  'messaging.operation.name': '`enqueue`, `claim` or `run`',
  'messaging.operation.type': '`send`, `receive` or `process`',
  'messaging.message.id': 'the job’s id',
  'cicd.pipeline.name': 'the job’s name',
  'cicd.pipeline.run.id': 'the job’s id',
  'cicd.pipeline.run.state': '`pending`, `executing` or `finalizing`, until the job has ended',
  'cicd.pipeline.result': '`success`, `failure`, `timeout`, `cancellation` or `error` (lost)',
  'cicd.pipeline.task.name': 'the job’s name',
  'cicd.pipeline.task.run.id': 'the attempt’s id',
  'cicd.pipeline.task.run.result': 'as `cicd.pipeline.result`, of the attempt',
  'cicd.worker.name': 'the node’s name',
  'container.name': 'the job container’s name',
  'container.image.name': 'the image’s reference',
  'container.image.id': 'the image’s id',
  'container.runtime.name': '`docker`',
  'process.exit.code': 'the exit code',
  'error.type': 'the death record’s cause, or the end state',
} as const;

export type SpanAttribute = keyof typeof SPAN_ATTRIBUTES;

/** The attributes that facts recorded with a moment of the timeline become. */
export const MOMENT_ATTRIBUTES: Readonly<Record<string, SpanAttribute>> = {
  subnet: 'cronium.subnet',
  reference: 'container.image.name',
  id: 'container.image.id',
  exitCode: 'process.exit.code',
  unrunnable: 'cronium.unrunnable',
  slot: 'cronium.slot',
  recycled: 'cronium.recycled',
  start: 'cronium.start',
  heldMs: 'cronium.held_ms',
};
