import { readdir, readFile } from 'node:fs/promises';

/** A running process that was found by its environment. */
export interface FoundProcess {
  readonly pid: number;
  readonly command: string;
}

/**
 * The processes that were started with a variable. Linux shows each process's environment; elsewhere nothing is found.
 */
export async function processesWith(name: string, value: string): Promise<FoundProcess[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((entry) => /^\d+$/.test(entry));
  const found: FoundProcess[] = [];
  for (const pid of pids) {
    // A process of someone else, or one that ended meanwhile, can't be read.
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    if (!environment.split('\0').includes(`${name}=${value}`)) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    found.push({ pid: Number(pid), command: command.replaceAll('\0', ' ').trim() });
  }
  return found;
}
