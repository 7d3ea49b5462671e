import { createHash } from 'node:crypto';

/** A kind of question that people and programs ask. */
export interface Request {
  /** As the table shows it. */
  readonly name: string;
  /** The path in the API's description that it covers. */
  readonly route: string;
  /** The path of the nth time it is asked, of so many jobs. */
  path(n: number, jobs: number): string;
  readonly accept?: string;
  /** Other answers than 200 that are right. */
  readonly also?: readonly number[];
}

/** What results only hands on, or what is no question about stored data. */
export const NOT_ASKED: Readonly<Record<string, string>> = {
  '/v1/queues': 'the producer answers it',
  '/v1/live': 'a WebSocket',
  '/v1/accounts': 'an audit that reads everything, by its nature',
  '/v1/session': 'reads no data',
};

const md5 = (text: string) => createHash('md5').update(text).digest('hex');
const short = (text: string) => md5(text).slice(0, 12);
/** A job's number: scattered over all, the newest left out. */
const some = (n: number, jobs: number) => 1 + ((n * 7_919_003) % (jobs - 1000));
const job = (g: number) => `/v1/jobs/job_${short(`job${g}`)}`;
const ended = (n: number, jobs: number) => job(some(n, jobs));
/** One of those with the longest logs. */
const long = (n: number, jobs: number) => job(500 + 1000 * (n % Math.floor(jobs / 1000)));
const batch = (start: number) => `batch_${short(`batch${start}`)}`;
/** A fifth, a fiftieth and a thousandth of all jobs. */
const LARGE = (jobs: number) => batch((2 * jobs) / 5);
const MIDDLE = (n: number, jobs: number) => batch((3 * jobs) / 5 + ((n % 10) * jobs) / 50);
const SMALL = (n: number, jobs: number) => batch((4 * jobs) / 5 + ((n % 100) * jobs) / 1000);
const days = (n: number) => new Date(Date.now() - (n % 6) * 86_400_000).toISOString();
/** Another time each time: an answer is kept for a second. */
const minutes = (most: number) => (n: number) => `/v1/overview?minutes=${most - (n % 50)}`;
const list = (name: string, path: Request['path']): Request => ({ name, route: '/v1/jobs', path });

const JOBS: readonly Request[] = [
  list('jobs', () => '/v1/jobs'),
  list('jobs, 1000 of them', () => '/v1/jobs?limit=1000'),
  list('jobs, deep page', (n, jobs) => `/v1/jobs?cursor=${cursor(some(n, jobs), jobs)}`),
  list('jobs, failed', () => '/v1/jobs?state=failed'),
  list('jobs, lost (rare)', () => '/v1/jobs?state=lost'),
  list('jobs, all bad ends', () => '/v1/jobs?state=failed,timed_out,lost'),
  list('jobs, running', () => '/v1/jobs?state=claimed,preparing,running,draining'),
  list('jobs, failed of a label', (n) => `/v1/jobs?state=failed&label=team:team-${n % 10}`),
  list('jobs, pool', () => '/v1/jobs?pool=gpu'),
  list('jobs, pool (rare)', () => '/v1/jobs?pool=edge'),
  list('jobs, label', (n) => `/v1/jobs?label=team:team-${n % 10}`),
  list('jobs, label (rare)', (n) => `/v1/jobs?label=customer:c${n % 5000}`),
  list('jobs, name', () => '/v1/jobs?name=report'),
  list('jobs, name (one)', (n, jobs) => `/v1/jobs?name=resize-${some(n, jobs)}`),
  list('jobs, name (none)', (n) => `/v1/jobs?name=nowhere${n}`),
  list('jobs, from and to', (n) => `/v1/jobs?from=2020-01-01T00:00:00Z&to=${days(n)}`),
  list('jobs, large batch', (_, jobs) => `/v1/jobs?batch=${LARGE(jobs)}`),
  list('jobs, failed of large batch', (_, jobs) => `/v1/jobs?batch=${LARGE(jobs)}&state=failed`),
  list('jobs, small batch', (n, jobs) => `/v1/jobs?batch=${SMALL(n, jobs)}`),
  { name: 'job', route: '/v1/jobs/{id}', path: ended },
  { name: 'job, trace', route: '/v1/jobs/{id}/trace', path: (n, jobs) => `${ended(n, jobs)}/trace` },
  { name: 'job, why', route: '/v1/jobs/{id}/why', path: (n, jobs) => `${ended(n, jobs)}/why` },
  {
    name: 'job, death',
    route: '/v1/jobs/{id}/death',
    path: (n, jobs) => `${ended(n, jobs)}/death`,
    also: [404],
  },
  {
    name: 'job, artifacts',
    route: '/v1/jobs/{id}/artifacts',
    path: (n, jobs) => `${artifact(n, jobs)}/artifacts`,
  },
  {
    name: 'job, an artifact',
    route: '/v1/jobs/{id}/artifacts/{path}',
    path: (n, jobs) => `${artifact(n, jobs)}/artifacts/out/1.csv`,
  },
];

const LOGS: readonly Request[] = [
  log('log, short', (n, jobs) => `${ended(n, jobs)}/logs`),
  log('log, 1000 lines', (n, jobs) => `${long(n, jobs)}/logs?limit=1000`),
  log(
    'log, 1000 lines deep inside',
    (n, jobs) => `${long(n, jobs)}/logs?limit=1000&after=${(n * 977) % 100_000}`,
  ),
  {
    name: 'log, search',
    route: '/v1/jobs/{id}/logs/matches',
    path: (n, jobs) => `${long(n, jobs)}/logs/matches?text=${n}zz`,
  },
  {
    name: 'log, line at a time',
    route: '/v1/jobs/{id}/logs/line',
    path: (n, jobs) => `${long(n, jobs)}/logs/line?at=${Date.now() - (n % 7) * 86_400_000}`,
  },
];

const REST: readonly Request[] = [
  { name: 'batches', route: '/v1/batches', path: () => '/v1/batches' },
  { name: 'batch, large', route: '/v1/batches/{id}', path: (_, jobs) => `/v1/batches/${LARGE(jobs)}` },
  { name: 'batch, middle', route: '/v1/batches/{id}', path: (n, jobs) => `/v1/batches/${MIDDLE(n, jobs)}` },
  {
    name: 'batch, failures (large)',
    route: '/v1/batches/{id}/failures',
    path: (_, jobs) => `/v1/batches/${LARGE(jobs)}/failures`,
  },
  {
    name: 'batch, failures (middle)',
    route: '/v1/batches/{id}/failures',
    path: (n, jobs) => `/v1/batches/${MIDDLE(n, jobs)}/failures`,
  },
  {
    name: 'batch, all results (small)',
    route: '/v1/batches/{id}/results',
    path: (n, jobs) => `/v1/batches/${SMALL(n, jobs)}/results`,
  },
  {
    name: 'trace',
    route: '/v1/traces/{traceId}',
    path: (n, jobs) => `/v1/traces/${md5(`trace${some(n, Math.floor(jobs / 3))}`)}`,
  },
  {
    name: 'trace of a batch',
    route: '/v1/traces/{traceId}',
    path: (n, jobs) => `/v1/traces/${md5(`trace${(4 * jobs) / 5 + ((n % 10) * jobs) / 100}`)}`,
  },
  { name: 'overview, hour', route: '/v1/overview', path: minutes(60) },
  { name: 'overview, day', route: '/v1/overview', path: minutes(1440) },
  { name: 'overview, week', route: '/v1/overview', path: minutes(10_080) },
  { name: 'audit', route: '/v1/audit', path: () => '/v1/audit' },
  {
    name: 'audit, target',
    route: '/v1/audit',
    path: (n, jobs) => `/v1/audit?target=job_${short(`job${some(n, Math.floor(jobs / 3))}`)}`,
  },
  { name: 'audit, actor (rare)', route: '/v1/audit', path: () => '/v1/audit?actor=night-shift' },
  { name: 'audit, action', route: '/v1/audit', path: () => '/v1/audit?action=job.cancel' },
  { name: 'audit, action (none)', route: '/v1/audit', path: () => '/v1/audit?action=secret' },
  { name: 'flows', route: '/v1/flows', path: () => '/v1/flows' },
  { name: 'flows, failed', route: '/v1/flows', path: () => '/v1/flows?state=failed' },
  { name: 'flows, running (none)', route: '/v1/flows', path: () => '/v1/flows?state=running' },
  {
    name: 'flow',
    route: '/v1/flows/{id}',
    path: (n) => `/v1/flows/flow_${short(`flow${1 + (n % 20_000)}`)}`,
  },
  { name: 'workers', route: '/v1/workers', path: () => '/v1/workers' },
  { name: 'scaling', route: '/v1/scaling', path: () => '/v1/scaling' },
  { name: 'schedules', route: '/v1/schedules', path: () => '/v1/schedules' },
  { name: 'variables', route: '/v1/variables', path: () => '/v1/variables' },
  { name: 'variable', route: '/v1/variables/{key}', path: (n) => `/v1/variables/setting%2F${1 + (n % 500)}` },
  { name: 'secrets', route: '/v1/secrets', path: () => '/v1/secrets' },
  { name: 'credentials', route: '/v1/credentials', path: () => '/v1/credentials' },
  { name: 'pre-task', route: '/v1/pre-task', path: () => '/v1/pre-task', also: [404] },
  { name: 'api keys', route: '/v1/api-keys', path: () => '/v1/api-keys' },
];

export const REQUESTS: readonly Request[] = [...JOBS, ...LOGS, ...REST];

function log(name: string, path: Request['path']): Request {
  return { name, route: '/v1/jobs/{id}/logs', path, accept: 'application/x-ndjson' };
}

function artifact(n: number, jobs: number): string {
  return job(100 * (1 + (n % Math.floor(jobs / 100 - 10))));
}

/** As the service writes it: behind the job of about this age. */
function cursor(g: number, jobs: number): string {
  const ms = Date.now() - 7 * 86_400_000 * (1 - g / jobs);
  return Buffer.from(JSON.stringify([ms, 'job_zzzzzzzzzzzz'])).toString('base64url');
}
