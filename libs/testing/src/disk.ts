import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A disk of a test's own, so small that it can be filled. `using` unmounts it. */
export interface SmallDisk extends Disposable {
  readonly folder: string;
  /** Takes all the room there is, or all but so much. */
  fill(leaveMiB?: number): void;
  free(): void;
}

const MIB = 2 ** 20;

/** @param owner the user whose it is; default: this process's */
export function smallDisk(sizeMiB: number, owner: { readonly uid: number } = { uid: 0 }): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), 'disk-'));
  const options = `size=${sizeMiB}m,uid=${owner.uid},mode=0700`;
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'cronium-test', folder]);
  const filler = join(folder, 'filler');
  return {
    folder,
    fill: (leaveMiB = 0) => fillWith(filler, leaveMiB === 0 ? sizeMiB : sizeMiB - leaveMiB),
    free: () => rmSync(filler, { force: true }),
    [Symbol.dispose]: () => {
      execFileSync('umount', [folder]);
      rmSync(folder, { recursive: true });
    },
  };
}

/** Writes until there is no room, or so much is written. */
function fillWith(file: string, mebibytes: number): void {
  const zeros = Buffer.alloc(MIB / 4);
  const open = openSync(file, 'w');
  try {
    for (let written = 0; written < mebibytes * MIB; written += writeSync(open, zeros));
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || error.code !== 'ENOSPC') throw error;
  } finally {
    closeSync(open);
  }
}
