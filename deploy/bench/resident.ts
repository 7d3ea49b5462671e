import { readFile } from 'node:fs/promises';

/** What Linux gives to every program (getconf CLK_TCK). */
const TICKS_PER_SECOND = 100;

/** The processor time that a process has used since its start. */
export async function processorSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // After the name, which is in parentheses: fields 14 and 15 of proc(5).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** What a process holds in memory now, in bytes. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) * 1024;
}

/** Looks at a process again and again until it is disposed of. */
export class MemoryWatch implements Disposable {
  readonly #timer: NodeJS.Timeout;
  #peak = 0;

  constructor(pid: number, everyMs = 250) {
    const look = async () => {
      this.#peak = Math.max(this.#peak, await residentBytes(pid));
    };
    this.#timer = setInterval(() => void look(), everyMs);
  }

  /** The most that was seen, in bytes. */
  get peak(): number {
    return this.#peak;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
