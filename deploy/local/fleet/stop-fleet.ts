import { bootstrapContext } from '../bootstrap.ts';
import { endProcesses, isSame } from './end-fleet.ts';
import { readJson, type SupervisorFile, supervisorFile } from './files.ts';

const GRACE_MS = 150_000;

/** Its containers go with the local fleet, so what has not ended by then begins again. */
export function whatBecomesOfJobs(env: Readonly<Record<string, string | undefined>>): string {
  const seconds = env.CRONIUM_DRAIN_SECONDS || '30';
  return `Running jobs have ${seconds} s to end; those that need longer begin again after the next start.`;
}

/** Asks the supervisor to end and waits until it has. Returns false when none runs. */
export async function stopFleet(
  report: (line: string) => void,
  env: Readonly<Record<string, string | undefined>>,
): Promise<boolean> {
  const { home } = bootstrapContext({ env: {}, report });
  const record = readJson<SupervisorFile>(supervisorFile(home));
  if (record === undefined || !isSame(record.supervisor)) return false;
  report(`Stopping the fleet (process ${record.supervisor.pid}). ${whatBecomesOfJobs(env)}`);
  await endProcesses([record.supervisor], { graceMs: GRACE_MS });
  return true;
}
