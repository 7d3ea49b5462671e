import { deadline } from '@cronium/lifecycle';
import { type Sandbox, type SandboxBinding, SandboxError } from './runtime.ts';

/** How long a process may take to end after SIGKILL, in milliseconds: so long a daemon may hang. */
export const KILL_MS = 30_000;

/** Waits so long for the end of what runs in a sandbox; false when it still runs. @throws what `exit` throws */
export async function endsWithin(sandbox: Pick<Sandbox, 'exit'>, milliseconds: number): Promise<boolean> {
  using limit = deadline(milliseconds, 'stop');
  try {
    await sandbox.exit(limit);
    return true;
  } catch (error) {
    if (limit.aborted) return false;
    throw error;
  }
}

/** Waits for the end of what was sent SIGKILL. @throws SandboxError when it still runs */
export async function endsAfterKill(sandbox: Pick<Sandbox, 'binding' | 'exit'>): Promise<void> {
  if (await endsWithin(sandbox, KILL_MS)) return;
  const what = `the container of ${sandbox.binding.attemptId} still runs ${KILL_MS / 1000} s after SIGKILL`;
  throw new SandboxError('docker', what);
}

/** What whoever still waits for something of a sandbox gets when this process lets go of it. */
export function letGoOf({ attemptId }: SandboxBinding): SandboxError {
  return new SandboxError('aborted', `the sandbox of ${attemptId} was let go of`);
}
