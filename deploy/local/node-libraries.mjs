// The one library that Node.js needs and a minimal Debian does not have. Plain JavaScript: runs before the repository's
// own Node.js can.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const LIBRARY = 'libatomic.so.1';
const PACKAGE = 'libatomic1';

/**
 * The folder with what Node.js needs and the machine lacks; undefined when the machine has all it needs. Where
 * Debian's package is not installed, it is fetched and unpacked under `home`, with package lists of its own.
 */
export function nodeLibraries(home) {
  if (process.platform !== 'linux' || machineHas(LIBRARY)) return undefined;
  const folder = join(home, 'node-libraries');
  const unpacked = libraryFolder(folder);
  if (unpacked !== undefined) return unpacked;
  console.log(`Node.js needs ${LIBRARY}: unpacking Debian's package ${PACKAGE} into ${folder}.`);
  fetchPackage(folder);
  const found = libraryFolder(folder);
  if (found === undefined) throw missing(`the package ${PACKAGE} does not hold it`);
  return found;
}

/** An environment in which programs find the libraries. */
export function withLibraries(env, folder) {
  if (folder === undefined) return env;
  const before = env.LD_LIBRARY_PATH;
  return { ...env, LD_LIBRARY_PATH: before ? `${folder}:${before}` : folder };
}

/** Replaces npm's link to Node.js by a script that starts it with the libraries: npm scripts start it by themselves. */
export function wrapNode(link, folder) {
  const program = realpathSync(link);
  const path = `LD_LIBRARY_PATH='${folder}'"\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"`;
  rmSync(link);
  writeFileSync(link, `#!/bin/sh\n${path} exec '${program}' "$@"\n`, { mode: 0o755 });
}

function machineHas(library) {
  const listed = spawnSync('ldconfig', ['-p'], { encoding: 'utf8', env: withSbin() });
  if (listed.status === 0) return listed.stdout.includes(library);
  // No ldconfig: not a glibc system that this could help.
  return true;
}

function withSbin() {
  return { ...process.env, PATH: `${process.env.PATH ?? ''}:/sbin:/usr/sbin` };
}

function libraryFolder(folder) {
  const parent = join(folder, 'root/usr/lib');
  if (!existsSync(parent)) return undefined;
  return readdirSync(parent)
    .map((triplet) => join(parent, triplet))
    .find((path) => existsSync(join(path, LIBRARY)));
}

function fetchPackage(folder) {
  for (const part of ['state/lists/partial', 'cache/archives/partial', 'root']) {
    mkdirSync(join(folder, part), { recursive: true });
  }
  const own = [
    ['Dir::State', join(folder, 'state')],
    ['Dir::Cache', join(folder, 'cache')],
    ['APT::Sandbox::User', ''],
  ].flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  command('apt-get', [...own, '-q', 'update'], folder);
  command('apt-get', [...own, '-q', 'download', PACKAGE], folder);
  const file = readdirSync(folder).find((name) => name.endsWith('.deb'));
  if (file === undefined) throw missing('apt-get download left no package');
  command('dpkg-deb', ['-x', file, 'root'], folder);
  for (const part of ['state', 'cache', file]) rmSync(join(folder, part), { recursive: true });
}

function command(program, args, cwd) {
  const result = spawnSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  if (result.status === 0) return;
  const reason = result.error?.message ?? `${result.stdout}${result.stderr}`.trim().slice(-2000);
  throw missing(`${program} ${args.at(-1)}: ${reason}`);
}

function missing(reason) {
  return new Error(
    `Node.js cannot start: this machine has no ${LIBRARY} (${reason}).\n` +
      `Install it: apt-get install ${PACKAGE} on Debian and Ubuntu, dnf install libatomic on Fedora.`,
  );
}
