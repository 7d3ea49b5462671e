import type { Readiness } from '@cronium/contracts';
import { deadline, waitFor } from '@cronium/lifecycle';
import type { ResultsClient } from '../report/results-client.ts';
import type { WorkerNode } from './worker-node.ts';

const CHECK_MS = 2000;

/** Everything that this node needs, each by its name, with what to do when it is missing. */
export async function readinessOf(node: WorkerNode, results: ResultsClient): Promise<Readiness> {
  const checks = await Promise.all([
    check('valkey', 'Valkey does not answer; start it, or correct CRONIUM_VALKEY_URL', () =>
      node.store.ping(),
    ),
    check('results', 'results does not answer; start it, or correct CRONIUM_RESULTS_URL', (signal) =>
      results.ping(signal),
    ),
  ]);
  const known = node.obstacles().filter(({ name }) => name !== 'docker');
  const missing = [...node.upkeep.blockers, ...known].map(({ name, message }) => ({
    name,
    ok: false,
    message,
  }));
  const docker = node.upkeep.blockers.length === 0 ? [{ name: 'docker', ok: true }] : [];
  const all = [...checks, ...docker, ...missing];
  return { ready: all.every(({ ok }) => ok), checks: all };
}

type Check = Readiness['checks'][number];

async function check(
  name: string,
  advice: string,
  run: (signal: AbortSignal) => Promise<void>,
): Promise<Check> {
  using limit = deadline(CHECK_MS, `${name} did not answer`);
  try {
    await waitFor(run(limit), limit);
    return { name, ok: true };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { name, ok: false, message: `${advice} (${why})` };
  }
}
