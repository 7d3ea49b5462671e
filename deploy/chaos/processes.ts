import { readFile } from 'node:fs/promises';

/** A process and all that it started, itself first. */
export async function treeOf(pid: number): Promise<number[]> {
  // A process that has ended meanwhile has no children.
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const children = text.split(' ').filter(Boolean).map(Number);
  return [pid, ...(await Promise.all(children.map(treeOf))).flat()];
}

/** Sends a signal to a process and all that it started; those that have ended are fine. */
export async function signalTree(pid: number, signal: NodeJS.Signals): Promise<void> {
  for (const one of await treeOf(pid)) {
    try {
      process.kill(one, signal);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }
}
