import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BootstrapContext } from '../local/bootstrap.ts';
import { run } from '../local/engine/run.ts';

/** An entry of package-lock.json's `packages` (https://docs.npmjs.com/cli/configuring-npm/package-lock-json). */
interface LockedPackage {
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly link?: boolean;
}

/** The folders of node_modules that are needed in production, without what lies inside another one of them. */
export function productionFolders(packages: Readonly<Record<string, LockedPackage>>): string[] {
  const all = Object.entries(packages)
    .filter(
      ([path, entry]) => path.includes('node_modules/') && entry.dev !== true && entry.devOptional !== true,
    )
    .map(([path]) => path);
  const known = new Set(all);
  return all.filter((path) => !known.has(path.slice(0, Math.max(0, path.lastIndexOf('/node_modules/')))));
}

/** Packs the installed production dependencies into an archive; the same ones give the same bytes. */
export async function packModules({ root, home }: BootstrapContext): Promise<string> {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, LockedPackage>;
  };
  // An optional package for another platform is in the lock file and not installed.
  const folders = productionFolders(lock.packages).filter((path) => existsSync(join(root, path)));
  const folder = join(home, 'compose');
  mkdirSync(folder, { recursive: true });
  const list = join(folder, 'modules.txt');
  const archive = join(folder, 'modules.tar');
  writeFileSync(list, `${folders.sort().join('\n')}\n`);
  const reproducible = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];
  await run([
    'tar',
    '--create',
    ...reproducible,
    '--file',
    archive,
    '--directory',
    root,
    '--files-from',
    list,
  ]);
  return archive;
}
