import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { repeat } from '@cronium/lifecycle';

const SAMPLE_MS = 500;

/** What the kernel counted for one container. */
export interface MemoryCounts {
  /** The most memory that it has used, in bytes. */
  readonly peakBytes: number | undefined;
  /** Processes in it that were killed for memory, by whichever out-of-memory killer. */
  readonly oomKills: number | undefined;
}

/** The kernel's files of one container, and how to read them. */
interface CounterFiles {
  readonly peak: string;
  readonly kills: string;
}

interface Sampled {
  readonly files: CounterFiles;
  counts: MemoryCounts;
}

const UNKNOWN: MemoryCounts = { peakBytes: undefined, oomKills: undefined };

/**
 * What the kernel counts of each container's memory. The counters go with the container, so they are read while it lives;
 * a short life may leave none. Only where the daemon is on this machine and its cgroups can be read.
 */
export class MemoryWatch {
  readonly #sampled = new Map<string, Sampled>();
  readonly #stop = new AbortController();
  readonly #roots: { readonly proc: string; readonly cgroups: string };
  #running: Promise<void> | undefined;

  /** @param roots other places of `/proc` and `/sys/fs/cgroup`, for tests */
  constructor(roots = { proc: '/proc', cgroups: '/sys/fs/cgroup' }) {
    this.#roots = roots;
  }

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
    const lines = (await readIfThere(`${this.#roots.proc}/${pid}/cgroup`))?.split('\n') ?? [];
    const files = counterFiles(lines, { id, root: this.#roots.cgroups });
    if (files !== undefined) this.#sampled.set(id, { files, counts: await read(files, UNKNOWN) });
  }

  forget(id: string): void {
    this.#sampled.delete(id);
  }

  of(id: string): MemoryCounts {
    return this.#sampled.get(id)?.counts ?? UNKNOWN;
  }

  async #sampleAll(): Promise<void> {
    const all = [...this.#sampled.values()];
    await Promise.all(
      all.map(async (one) => {
        one.counts = await read(one.files, one.counts);
      }),
    );
  }
}

/** See cgroups(7): a line of /proc/<pid>/cgroup is `id:controllers:path`; version 2 has id 0 and no controllers. */
function counterFiles(
  lines: readonly string[],
  { id, root }: { readonly id: string; readonly root: string },
): CounterFiles | undefined {
  for (const line of lines) {
    const [hierarchy, controllers = '', path = ''] = line.split(':');
    // Another machine's process may have that number here.
    if (!path.includes(id)) continue;
    if (controllers.split(',').includes('memory')) {
      const folder = join(root, 'memory', path);
      return { peak: join(folder, 'memory.max_usage_in_bytes'), kills: join(folder, 'memory.oom_control') };
    }
    if (hierarchy === '0' && controllers === '') {
      const folder = join(root, path);
      return { peak: join(folder, 'memory.peak'), kills: join(folder, 'memory.events') };
    }
  }
  return undefined;
}

/** What cannot be read stays as it was last. */
async function read({ peak, kills }: CounterFiles, before: MemoryCounts): Promise<MemoryCounts> {
  const [peakText, killsText] = await Promise.all([readIfThere(peak), readIfThere(kills)]);
  return {
    peakBytes: Number(peakText) || before.peakBytes,
    oomKills: oomKillsIn(killsText ?? '') ?? before.oomKills,
  };
}

/** The line `oom_kill 2`, which both versions have. */
function oomKillsIn(text: string): number | undefined {
  const match = /^oom_kill (\d+)$/m.exec(text);
  return match ? Number(match[1]) : undefined;
}

/** `undefined` when it is not there or may not be read: a container that is gone, a kernel without it. */
function readIfThere(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch(() => undefined);
}
