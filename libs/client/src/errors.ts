import type { Problem } from '@cronium/contracts';

/** Which of the two services a call goes to. */
export type ServiceName = 'producer' | 'results';

/** What every error of this client can say of the call that failed. */
export interface FailedCall {
  readonly service: ServiceName;
  readonly method: string;
  readonly url: string;
}

/** Thrown when a service answered with an error; `problem` is the answer's problem document (RFC 9457). */
export class CroniumApiError extends Error {
  readonly code = 'API';
  readonly status: number;
  readonly problem: Problem;
  readonly call: FailedCall;
  /** How long the service asked to wait, when it did. */
  readonly retryAfterMs: number | undefined;

  constructor(call: FailedCall, problem: Problem, retryAfterMs?: number) {
    super(describeProblem(problem));
    this.name = 'CroniumApiError';
    this.status = problem.status;
    this.problem = problem;
    this.call = call;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Thrown when a service could not be reached, or the connection broke. */
export class CroniumConnectionError extends Error {
  readonly code = 'CONNECTION';
  readonly call: FailedCall;

  constructor(call: FailedCall, options?: ErrorOptions) {
    super(
      `${call.service} at ${new URL(call.url).origin} cannot be reached: ${rootCause(options?.cause)}`,
      options,
    );
    this.name = 'CroniumConnectionError';
    this.call = call;
  }
}

/** Thrown when a service did not answer in time. The call may have had its effect. */
export class CroniumTimeoutError extends Error {
  readonly code = 'TIMEOUT';
  readonly call: FailedCall;
  readonly timeoutMs: number;

  constructor(call: FailedCall, timeoutMs: number) {
    super(`${call.service} did not answer ${call.method} ${call.url} within ${timeoutMs} ms`);
    this.name = 'CroniumTimeoutError';
    this.call = call;
    this.timeoutMs = timeoutMs;
  }
}

/** Thrown when something waited for did not end in time. It goes on all the same. */
export class CroniumWaitError extends Error {
  readonly code = 'WAIT';

  constructor(what: string, timeoutMs: number) {
    super(`${what} has not ended within ${timeoutMs} ms; it goes on`);
    this.name = 'CroniumWaitError';
  }
}

function describeProblem(problem: Problem): string {
  const fields =
    problem.errors?.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)) ?? [];
  // A detail that says no more than the fields do would say it twice.
  const isSaid = fields.length > 0 && fields.every((field) => problem.detail?.includes(field));
  const head = problem.detail === undefined || isSaid ? problem.title : `${problem.title}: ${problem.detail}`;
  const text = fields.length === 0 ? head : `${head}\n${fields.map((field) => `  - ${field}`).join('\n')}`;
  return `${text} (${problem.status})`;
}

/** fetch says only "fetch failed"; what happened stands in the cause below it. */
function rootCause(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors.length > 0) return rootCause(cause.errors[0]);
  if (!(cause instanceof Error)) return String(cause ?? 'the connection broke');
  return cause.cause === undefined ? cause.message : rootCause(cause.cause);
}
