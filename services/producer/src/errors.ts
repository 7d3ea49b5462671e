import { HttpProblem, type ProblemOptions } from '@cronium/http';

/** Thrown when Valkey can't be reached, answers nothing in time, or is not able to serve now. */
export class ValkeyUnavailableError extends Error {
  override readonly name = 'ValkeyUnavailableError';
  readonly code = 'VALKEY_UNAVAILABLE';
}

/** Thrown when Valkey refuses a write because its memory is full. */
export class ValkeyFullError extends Error {
  override readonly name = 'ValkeyFullError';
  readonly code = 'VALKEY_FULL';
}

/** Thrown when results can't be asked. */
export class ResultsUnavailableError extends Error {
  override readonly name = 'ResultsUnavailableError';
  readonly code = 'RESULTS_UNAVAILABLE';
}

/** Thrown when the client went away, or its connection broke, before the body had come to its end. */
export class UploadCutOffError extends Error {
  override readonly name = 'UploadCutOffError';
  readonly code = 'UPLOAD_CUT_OFF';
}

/** The answer to an error; `undefined` when it is a fault of this program. */
export function problemFor(error: unknown): HttpProblem | undefined {
  if (error instanceof HttpProblem) return error;
  const options = optionsFor(error);
  return options && new HttpProblem({ ...options, cause: error });
}

function optionsFor(error: unknown): ProblemOptions | undefined {
  if (error instanceof ValkeyUnavailableError) return VALKEY_AWAY;
  if (error instanceof ValkeyFullError) return VALKEY_FULL;
  if (error instanceof UploadCutOffError) return CUT_OFF;
  if (error instanceof ResultsUnavailableError) {
    return { ...RESULTS_AWAY, detail: `${error.message} This request needs it; send it again later.` };
  }
  return undefined;
}

const VALKEY_AWAY: ProblemOptions = {
  slug: 'valkey-unavailable',
  status: 503,
  title: 'The queue is away',
  detail:
    'Valkey does not answer. Send the request again later; with an Idempotency-Key that can do no harm.',
  retryAfterSeconds: 2,
};

const VALKEY_FULL: ProblemOptions = {
  slug: 'valkey-full',
  status: 503,
  title: 'The queue is full',
  detail:
    'Valkey has no memory left for more jobs. Send the request again when some have ended; an operator can raise maxmemory.',
  retryAfterSeconds: 10,
};

const RESULTS_AWAY: Omit<ProblemOptions, 'detail'> = {
  slug: 'results-unavailable',
  status: 503,
  title: 'The results service is away',
  retryAfterSeconds: 2,
};

const CUT_OFF: ProblemOptions = {
  slug: 'upload-cut-off',
  status: 400,
  title: 'The upload was cut off',
  detail: 'The body ended before it was complete. With an Idempotency-Key it can be sent again without harm.',
};
