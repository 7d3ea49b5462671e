import { readFile } from 'node:fs/promises';
import { repeat } from '@cronium/lifecycle';

const SAMPLE_MS = 500;

interface Sampled {
  readonly file: string;
  peak: number | undefined;
}

/**
 * The most memory that each container has used, from the kernel's counters. They go with the container, so they are read
 * while it lives; a short life may leave none. Only where the daemon is on this machine and its cgroups can be read.
 */
export class MemoryPeaks {
  readonly #sampled = new Map<string, Sampled>();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  start(): void {
    const options = { everyMs: SAMPLE_MS, signal: this.#stop.signal, onError: () => undefined };
    this.#running ??= repeat(() => this.#sampleAll(), options);
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error('closed'));
    await this.#running;
  }

  /** @param pid the container's first process, as this machine numbers it */
  async track(id: string, pid: number): Promise<void> {
    if (this.#sampled.has(id)) return;
    const file = await peakFile(pid, id);
    if (file !== undefined)
      this.#sampled.set(id, { file, peak: Number(await readIfThere(file)) || undefined });
  }

  forget(id: string): void {
    this.#sampled.delete(id);
  }

  of(id: string): number | undefined {
    return this.#sampled.get(id)?.peak;
  }

  async #sampleAll(): Promise<void> {
    await Promise.all(
      [...this.#sampled.values()].map(async (one) => {
        one.peak = Number(await readIfThere(one.file)) || one.peak;
      }),
    );
  }
}

/** See cgroups(7): a line of /proc/<pid>/cgroup is `id:controllers:path`; version 2 has id 0 and no controllers. */
async function peakFile(pid: number, containerId: string): Promise<string | undefined> {
  const lines = (await readIfThere(`/proc/${pid}/cgroup`))?.split('\n') ?? [];
  for (const line of lines) {
    const [id, controllers = '', path = ''] = line.split(':');
    // Another machine's process may have that number here.
    if (!path.includes(containerId)) continue;
    if (controllers.split(',').includes('memory'))
      return `/sys/fs/cgroup/memory${path}/memory.max_usage_in_bytes`;
    if (id === '0' && controllers === '') return `/sys/fs/cgroup${path}/memory.peak`;
  }
  return undefined;
}

/** `undefined` when it is not there or may not be read: a container that is gone, a kernel without it. */
function readIfThere(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch(() => undefined);
}
