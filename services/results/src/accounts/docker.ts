import { parseAttemptId } from '@cronium/contracts';
import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { type OpenJob, standings } from '../queries/accounts.ts';
import type { Counted } from './census.ts';
import type { Found } from './look.ts';

interface Sandbox {
  readonly node: string;
  readonly jobId: string;
  readonly attemptId: string;
  readonly running: boolean;
}

/** Compares what the nodes' Docker engines run with what ought to run. */
export async function findInDocker(
  db: Kysely<Database>,
  { counted, open }: { readonly counted: readonly Counted[]; readonly open: readonly OpenJob[] },
): Promise<Found[]> {
  const sandboxes = counted.flatMap(({ node, census }) =>
    (census?.sandboxes ?? []).map((sandbox): Sandbox => ({ ...sandbox, node })),
  );
  const running = sandboxes.filter((sandbox) => sandbox.running);
  const known = await standings(db, [...new Set(running.map(({ jobId }) => jobId))]);
  return [
    ...counted.filter(({ census }) => census === undefined).map(({ node }) => silentNode(node)),
    ...running.flatMap((sandbox) => unowned(sandbox, known.get(sandbox.jobId)) ?? []),
    ...[...Map.groupBy(running, ({ jobId }) => jobId).values()]
      .filter((own) => own.length > 1)
      .map(twoContainers),
    ...open.flatMap((job) => missingContainer(job, { counted, sandboxes }) ?? []),
  ];
}

function silentNode(node: string): Found {
  const message = `${node} lives and did not say what its Docker runs. Look at its log and at its Docker engine.`;
  return { key: `silent_node ${node}`, kind: 'silent_node', jobId: null, node, message };
}

function unowned(
  { node, jobId, attemptId }: Sandbox,
  job: { readonly state: string; readonly attempt: number } | undefined,
): Found | undefined {
  const { attempt } = parseAttemptId(attemptId);
  const ended =
    job !== undefined && ['succeeded', 'failed', 'timed_out', 'cancelled', 'lost'].includes(job.state);
  // Results may not have heard of the job or the attempt yet.
  if (job === undefined || (!ended && attempt >= job.attempt)) return undefined;
  const why = ended ? `the job has ended as ${job.state}` : `the job is at attempt ${job.attempt}`;
  const message = `${node} still runs the container of ${attemptId}, and ${why}. The node removes it.`;
  return { key: `unowned_container ${attemptId} ${node}`, kind: 'unowned_container', jobId, node, message };
}

function twoContainers(own: readonly Sandbox[]): Found {
  const [first] = own;
  const where = own.map(({ attemptId, node }) => `${attemptId} on ${node}`).join(' and ');
  const message = `${where} stand at the same time. All but the newest must be held still; they are removed by their nodes.`;
  const jobId = first?.jobId ?? null;
  return { key: `two_containers ${where}`, kind: 'two_containers', jobId, node: null, message };
}

function missingContainer(
  { id, state, attempt, node }: OpenJob,
  { counted, sandboxes }: { readonly counted: readonly Counted[]; readonly sandboxes: readonly Sandbox[] },
): Found | undefined {
  if (state !== 'running' || node === null) return undefined;
  const answered = counted.some((one) => one.node === node && one.census !== undefined);
  const attemptId = `${id}.${attempt}`;
  if (!answered || sandboxes.some((sandbox) => sandbox.attemptId === attemptId)) return undefined;
  const message = `${attemptId} is shown as running on ${node}, whose Docker has no container of it. The node finds that out by itself within seconds.`;
  return { key: `missing_container ${attemptId}`, kind: 'missing_container', jobId: id, node, message };
}
