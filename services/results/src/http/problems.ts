import { commonProblems, HttpProblem } from '@cronium/http';

/** The problems that requests get; `slug`s are stable. */
export const problems = {
  ...commonProblems,
  badValue: () =>
    new HttpProblem({
      slug: 'bad-value',
      status: 400,
      title: 'A value cannot be used',
      detail: 'A text holds a character that cannot be stored or searched for, such as NUL.',
    }),
  toolFailed: (detail: string) =>
    new HttpProblem({ slug: 'tool-failed', status: 502, title: 'The tool failed', detail }),
  noSecretsKey: () =>
    new HttpProblem({
      slug: 'no-secrets-key',
      status: 503,
      title: 'Secrets cannot be stored',
      detail:
        'CRONIUM_SECRETS_KEY is not set on the results service. Set it to id:base64 of 32 random bytes.',
    }),
  databaseAway: () =>
    new HttpProblem({
      slug: 'database-unavailable',
      status: 503,
      title: 'The database is away',
      detail: 'PostgreSQL does not answer or refuses. Nothing of this request was stored; send it again.',
      retryAfterSeconds: 2,
    }),
  valkeyAway: () =>
    new HttpProblem({
      slug: 'valkey-unavailable',
      status: 503,
      title: 'The queue is away',
      detail: 'Valkey does not answer. Send the request again.',
      retryAfterSeconds: 2,
    }),
  artifactsAway: (cause: unknown) =>
    new HttpProblem({
      slug: 'artifact-store-unavailable',
      status: 503,
      title: 'The artifact store is away',
      detail: `The store of artifacts does not answer or refuses (${nameOf(cause)}); see the log of the results service, and its CRONIUM_ARTIFACTS_S3_ settings. Send the request again.`,
      retryAfterSeconds: 2,
      cause,
    }),
  workerSilent: (node: string, seconds: number) =>
    new HttpProblem({
      slug: 'worker-silent',
      status: 503,
      title: 'The worker does not answer',
      detail: `The worker ${node} did not answer in ${seconds} s. Look whether it runs and is ready: cronium workers.`,
      retryAfterSeconds: 5,
    }),
  producerAway: (url: string) =>
    new HttpProblem({
      slug: 'producer-unavailable',
      status: 503,
      title: 'The producer is away',
      detail: `The producer at ${url} does not answer; is CRONIUM_PRODUCER_URL of the results service right? Nothing was done, or it is not known what was: look again, then repeat.`,
      retryAfterSeconds: 2,
    }),
  internal: () =>
    new HttpProblem({
      slug: 'internal',
      status: 500,
      title: 'A fault of this service',
      detail: 'The request failed for a reason that is not yours. The service’s log has it.',
    }),
} as const;

/** Of an error of the AWS SDK: what S3 calls it. */
function nameOf(cause: unknown): string {
  return cause instanceof Error ? cause.name : 'unknown';
}
