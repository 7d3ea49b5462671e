import { isAlive, startOf } from '../engine/run.ts';
import { cleanDocker } from './docker-objects.ts';
import {
  type FleetProcess,
  localFile,
  type ProcessIdentity,
  readJson,
  removeFile,
  STAGES,
  type SupervisorFile,
  supervisorFile,
} from './files.ts';
import { pause } from './pause.ts';

/** Is it still the process that was written down, and not a later one with its id? */
export function isSame({ pid, start }: ProcessIdentity): boolean {
  return isAlive(pid) && startOf(pid) === start;
}

/** How a process that this one did not start, or whose parent is gone, is ended. */
export interface EndOptions {
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs: number;
}

/** Ends processes together: SIGTERM, time to finish, SIGKILL. Resolves when all are gone. */
export async function endProcesses(
  processes: readonly ProcessIdentity[],
  { graceMs }: EndOptions,
): Promise<void> {
  const living = () => processes.filter(isSame);
  for (const one of living()) {
    // A stopped process takes no other signal.
    signal(one, 'SIGCONT');
    signal(one, 'SIGTERM');
  }
  const endsAt = performance.now() + graceMs;
  while (living().length > 0 && performance.now() < endsAt) await pause(50);
  for (const one of living()) signal(one, 'SIGKILL');
  while (living().length > 0) await pause(20);
}

function signal({ pid }: ProcessIdentity, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/**
 * Ends what a killed supervisor left, stage by stage, and forgets it. Its containers are removed only on wish: workers
 * that come back adopt or remove them themselves.
 */
export async function endFleet(
  home: string,
  record: SupervisorFile,
  options: { readonly workerGraceMs: number; readonly removeContainers: boolean },
): Promise<void> {
  for (const stage of STAGES) {
    const processes = record.processes.filter((one: FleetProcess) => one.stage === stage);
    await endProcesses(processes, { graceMs: stage === 'worker' ? options.workerGraceMs : 10_000 });
    if (stage === 'results' && options.removeContainers) await Promise.all(record.docker.map(cleanDocker));
  }
  // Another supervisor may have taken over in the meantime; then the files are its own.
  const now = readJson<SupervisorFile>(supervisorFile(home));
  if (now !== undefined && now.supervisor.pid !== record.supervisor.pid) return;
  removeFile(localFile(home));
  removeFile(supervisorFile(home));
}
