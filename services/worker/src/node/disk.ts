import { statfs } from 'node:fs/promises';

const MIB = 2 ** 20;
/** A node that was full takes jobs again only when it has this much more than the least. */
const RECOVERED = 1.1;

export interface DiskWatchOptions {
  /** Below this much free space the node takes no jobs; 0 does not look. */
  readonly minFreeBytes: number;
  /** The folders that jobs fill: the worker's own, and Docker's where it is on this machine. */
  folders(): readonly string[];
}

/** Whether the node's disks have room for what jobs write: their spooled logs, their images. */
export class DiskWatch {
  readonly #options: DiskWatchOptions;
  #isFull = false;

  constructor(options: DiskWatchOptions) {
    this.#options = options;
  }

  /** @returns what keeps the node from taking jobs; `undefined` when there is room */
  async obstacle(): Promise<string | undefined> {
    const { minFreeBytes, folders } = this.#options;
    if (minFreeBytes === 0) return undefined;
    const least = this.#isFull ? minFreeBytes * RECOVERED : minFreeBytes;
    const problems: string[] = [];
    for (const folder of new Set(folders())) {
      const free = await freeBytes(folder);
      if (free === undefined || free >= least) continue;
      problems.push(
        `the disk of ${folder} has ${Math.floor(free / MIB)} MiB left, and jobs are taken only from ${Math.ceil(least / MIB)} MiB on; free some space (docker system df), or lower CRONIUM_DISK_MIN_FREE_BYTES`,
      );
    }
    this.#isFull = problems.length > 0;
    return this.#isFull ? problems.join('; ') : undefined;
  }
}

/** `undefined` when it cannot be seen from here: Docker's folder is another user's, or in another mount namespace. */
async function freeBytes(folder: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}
