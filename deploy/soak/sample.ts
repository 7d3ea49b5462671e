import { readdir, readFile, readlink } from 'node:fs/promises';

/** What one process holds at a moment. */
export interface ProcessSample {
  readonly memoryMiB: number;
  /** Open files, sockets included. */
  readonly handles: number;
  readonly sockets: number;
}

/** Reads what a process holds from /proc. */
export async function sampleProcess(pid: number): Promise<ProcessSample> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const resident = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
  const names = await readdir(`/proc/${pid}/fd`);
  // One may be closed between the two calls.
  const targets = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')));
  return {
    memoryMiB: resident / 1024,
    handles: targets.length,
    sockets: targets.filter((target) => target.startsWith('socket:')).length,
  };
}

/** One line of a plot: its name, and a value for each moment. */
export interface Series {
  readonly name: string;
  readonly values: readonly number[];
}
