import { hash, randomBytes } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const ID_LENGTH = 12;

/** `job_` and 12 alphanumerics. */
export const JOB_ID = /^job_[0-9A-Za-z]{12}$/;
/** `batch_` and 12 alphanumerics. */
export const BATCH_ID = /^batch_[0-9A-Za-z]{12}$/;
/** `flow_` and 12 alphanumerics. */
export const FLOW_ID = /^flow_[0-9A-Za-z]{12}$/;
/** `<jobId>.<n>`, n from 1. */
export const ATTEMPT_ID = /^job_[0-9A-Za-z]{12}\.[1-9][0-9]{0,8}$/;

/** Six digits to the base of 62. */
const HALF = 62n ** 6n;

/** Twelve alphanumerics drawn from 32 hex digits; 71 bits when these are uniform. */
function alphanumerics(hex: string): string {
  const value = BigInt(`0x${hex}`);
  // Each half fits a number, which is reckoned with much faster.
  return sixDigits(Number(value % HALF)) + sixDigits(Number((value / HALF) % HALF));
}

/** The lowest digit first. */
function sixDigits(value: number): string {
  let text = '';
  for (let rest = value; text.length < ID_LENGTH / 2; rest = Math.floor(rest / 62))
    text += ALPHABET[rest % 62];
  return text;
}

function randomAlphanumerics(): string {
  return alphanumerics(randomBytes(16).toString('hex'));
}

/** A new random job id. */
export function newJobId(): string {
  return `job_${randomAlphanumerics()}`;
}

/** A new random batch id. */
export function newBatchId(): string {
  return `batch_${randomAlphanumerics()}`;
}

/** A new random id of a slot: network, namespace holder and sidecar, used by one job after another. */
export function newSlotId(): string {
  return `slot_${randomAlphanumerics()}`;
}

/** The first 32 hex digits of a digest. As text it takes a third of the time that it takes as bytes. */
function digest(...parts: readonly string[]): string {
  return hash('sha256', parts.join('\0'), 'hex').slice(0, 32);
}

/** The id of the job that a tenant submitted under an idempotency key: the same key gives the same id. */
export function jobIdForKey(tenant: string, key: string): string {
  return `job_${alphanumerics(digest('job', tenant, key))}`;
}

/** The id of the batch that a tenant submitted under an idempotency key. */
export function batchIdForKey(tenant: string, key: string): string {
  return `batch_${alphanumerics(digest('batch', tenant, key))}`;
}

/** The id of the job on a line (from 1) of a batch: a batch sent again gives the same ids. */
export function jobIdForLine(batchId: string, line: number): string {
  return `job_${alphanumerics(digest('line', batchId, String(line)))}`;
}

/** A new random flow id. */
export function newFlowId(): string {
  return `flow_${randomAlphanumerics()}`;
}

/** The id of the flow that a tenant submitted under an idempotency key. */
export function flowIdForKey(tenant: string, key: string): string {
  return `flow_${alphanumerics(digest('flow', tenant, key))}`;
}

/** The id of the job of a flow's step. */
export function jobIdForStep(flowId: string, step: string): string {
  return `job_${alphanumerics(digest('step', flowId, step))}`;
}

/** The id of the job that a schedule starts for one of its times (Unix ms). */
export function jobIdForSchedule(tenant: string, name: string, atMs: number): string {
  return `job_${alphanumerics(digest('schedule', tenant, name, String(atMs)))}`;
}

/** `<jobId>.<n>`. */
export function attemptIdOf(jobId: string, attempt: number): string {
  return `${jobId}.${attempt}`;
}

/**
 * Splits an attempt id.
 * @throws RangeError when it is not of the form `<jobId>.<n>`
 */
export function parseAttemptId(attemptId: string): { jobId: string; attempt: number } {
  if (!ATTEMPT_ID.test(attemptId)) throw new RangeError(`not an attempt id: ${JSON.stringify(attemptId)}`);
  const dot = attemptId.indexOf('.');
  return { jobId: attemptId.slice(0, dot), attempt: Number(attemptId.slice(dot + 1)) };
}

/** The trace of a job that came without a `traceparent`: 32 hex digits, derived from its id. */
export function traceIdForJob(jobId: string): string {
  return digest('trace', jobId);
}

/** The id of a span that the fleet itself makes: 16 hex digits, derived from its owner (a job or attempt id) and its name. */
export function spanIdFor(owner: string, spanName: string): string {
  return digest('span', owner, spanName).slice(0, 16);
}
