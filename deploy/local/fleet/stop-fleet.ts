import { bootstrapContext } from '../bootstrap.ts';
import { endProcesses, isSame } from './end-fleet.ts';
import { readJson, type SupervisorFile, supervisorFile } from './files.ts';

const GRACE_MS = 150_000;

/** Asks the supervisor to end and waits until it has. Returns false when none runs. */
export async function stopFleet(report: (line: string) => void): Promise<boolean> {
  const { home } = bootstrapContext({ env: {}, report });
  const record = readJson<SupervisorFile>(supervisorFile(home));
  if (record === undefined || !isSame(record.supervisor)) return false;
  report(`Stopping the fleet (process ${record.supervisor.pid}): the workers finish what they run.`);
  await endProcesses([record.supervisor], { graceMs: GRACE_MS });
  return true;
}
