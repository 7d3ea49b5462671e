import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { BootstrapContext } from './engine/context.ts';
import { withLock } from './engine/lock.ts';
import { run } from './engine/run.ts';

/** What the built pages follow from. */
const SOURCES = [
  'services/dashboard/src',
  'services/dashboard/index.html',
  'services/dashboard/package.json',
  'services/dashboard/vite.config.ts',
  'libs/client/src',
  'libs/contracts/src',
  'package-lock.json',
];
const STAMP = 'built-from';

/** Builds the dashboard when its sources changed; results serves it from `services/dashboard/dist`. */
export async function ensureDashboard(context: BootstrapContext): Promise<void> {
  const { root } = context;
  const dist = join(root, 'services/dashboard/dist');
  const hash = sourcesHash(root);
  if (builtFrom(dist) === hash) return;
  await withLock(context, 'dashboard', async () => {
    if (builtFrom(dist) === hash) return;
    context.report('Building the dashboard into services/dashboard/dist.');
    const partial = `${dist}.partial`;
    rmSync(partial, { recursive: true, force: true });
    const vite = join(root, 'node_modules/vite/bin/vite.js');
    const options = ['--outDir', partial, '--emptyOutDir', '--logLevel', 'warn'];
    await run([process.execPath, vite, 'build', ...options], {
      cwd: join(root, 'services/dashboard'),
      env: { ...context.env, NODE_ENV: 'production', NODE_DISABLE_COMPILE_CACHE: '1' } as NodeJS.ProcessEnv,
    });
    writeFileSync(join(partial, STAMP), hash);
    rmSync(dist, { recursive: true, force: true });
    renameSync(partial, dist);
  });
}

function builtFrom(dist: string): string | undefined {
  const stamp = join(dist, STAMP);
  return existsSync(stamp) ? readFileSync(stamp, 'utf8') : undefined;
}

function sourcesHash(root: string): string {
  const hash = createHash('sha256');
  for (const file of SOURCES.flatMap((path) => filesBelow(join(root, path))).sort()) {
    if (file.includes('.test.')) continue;
    hash.update(relative(root, file)).update('\0').update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex');
}

function filesBelow(path: string): string[] {
  if (!existsSync(path)) return [];
  try {
    return readdirSync(path, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOTDIR') return [path];
    throw error;
  }
}
