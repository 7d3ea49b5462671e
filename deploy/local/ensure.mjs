// Runs a script of this repository with the Node.js that the repository brings, after installing the dependencies when
// they are missing or differ from package-lock.json. Plain JavaScript without dependencies: the machine's own Node.js
// (20 or newer) runs it.
//
//   node deploy/local/ensure.mjs <script> [arguments]
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { nodeLibraries, withLibraries, wrapNode } from './node-libraries.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const node = join(root, 'node_modules/.bin/node');

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}

/**
 * The packages that the lock file wants and node_modules lacks. npm writes what it installed to
 * node_modules/.package-lock.json, in the lock file's own form.
 */
function missingPackages() {
  const hidden = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(hidden) || !existsSync(node)) return ['node_modules'];
  const wanted = readJson(join(root, 'package-lock.json')).packages;
  const installed = readJson(hidden).packages;
  return Object.keys(wanted).filter((path) => {
    const entry = wanted[path];
    if (!path.includes('node_modules/')) return false;
    // Packages for other platforms are in the lock file and never installed here.
    if (entry.optional === true && installed[path] === undefined) return false;
    return !samePackage(entry, installed[path]);
  });
}

/** npm may be configured to leave addresses and hashes out of lock files, so only what both have is compared. */
function samePackage(wanted, installed) {
  if (installed?.version !== wanted.version) return false;
  return !wanted.integrity || !installed.integrity || wanted.integrity === installed.integrity;
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Takes the install lock, or waits for the process that holds it. A lock whose holder is gone is taken over. */
async function takeLock(path) {
  mkdirSync(dirname(path), { recursive: true });
  let told = false;
  for (;;) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' });
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const holder = readHolder(path);
    if (holder !== undefined && !alive(holder)) rmSync(path, { force: true });
    else if (!told) console.log('Waiting for another run that installs the dependencies.');
    told = true;
    await delay(200);
  }
}

/** The process that holds the lock; undefined while it has been created and not yet written, or is gone. */
function readHolder(path) {
  try {
    const text = readFileSync(path, 'utf8');
    if (text !== '') return Number(text);
    return Date.now() - statSync(path).mtimeMs > 5000 ? 0x7fffffff : undefined;
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function ensureDependencies() {
  const home = join(root, '.cronium');
  if (missingPackages().length === 0) return;
  const lock = join(home, 'install.lock');
  await takeLock(lock);
  try {
    const missing = missingPackages();
    if (missing.length === 0) return;
    console.log(
      `Installing dependencies: npm ci in ${root} (${missing.slice(0, 3).join(', ')} missing or outdated).`,
    );
    const libraries = nodeLibraries(home);
    installPackages(libraries);
    if (libraries !== undefined && existsSync(node)) wrapNode(node, libraries);
    if (!existsSync(node)) {
      fail(
        'The package "node" did not install its binary. Run: npm rebuild node (install scripts must be allowed).',
      );
    }
  } finally {
    rmSync(lock, { force: true });
  }
}

/**
 * npm ci, and npm install in the one case that npm ci cannot handle: a registry that lacks packages for other platforms
 * leaves them out of the lock file, which npm ci then calls incomplete (EUSAGE). Neither changes the lock file.
 */
function installPackages(libraries) {
  const first = npm(['ci'], libraries);
  if (first.status === 0) return;
  if (!first.stderr.includes('EUSAGE')) {
    console.error(first.stderr);
    fail('npm ci failed; its messages are above. Is the npm registry reachable?');
  }
  const reason = first.stderr
    .split('\n')
    .find((line) => line.includes('Missing:') || line.includes('Invalid:'));
  console.log(
    `npm ci calls the lock file incomplete (${reason?.trim() ?? 'EUSAGE'}). Using: npm install --no-save`,
  );
  const second = npm(['install', '--no-save'], libraries);
  if (second.status === 0) return;
  console.error(second.stderr);
  fail('npm install failed; its messages are above. Is the npm registry reachable?');
}

function npm(args, libraries) {
  const result = spawnSync('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    env: withLibraries(process.env, libraries),
    stdio: ['inherit', 'inherit', 'pipe'],
    encoding: 'utf8',
  });
  if (result.error)
    fail(`npm cannot be started (${result.error.message}). Install npm, which comes with Node.js.`);
  return result;
}

function fail(message) {
  throw new Error(message);
}

/**
 * True when the terminal itself sends Ctrl-C to this process and so to the child too (same process group). Then it
 * must not be passed on: the child would take it for a second, forcing signal.
 */
function terminalSignalsChild() {
  try {
    const fields = readFileSync('/proc/self/stat', 'utf8').split(') ').pop().split(' ');
    return fields[2] === fields[5];
  } catch {
    return process.stdin.isTTY === true;
  }
}

function run(script, args) {
  const child = spawn(node, [resolve(root, script), ...args], { stdio: 'inherit' });
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  process.on('SIGINT', () => {
    if (!terminalSignalsChild()) child.kill('SIGINT');
  });
  child.on('error', (error) => {
    console.error(`${node} cannot be started: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

const [script, ...args] = process.argv.slice(2);
if (script === undefined) {
  console.error('Usage: node deploy/local/ensure.mjs <script> [arguments]');
  process.exitCode = 2;
} else {
  await ensureDependencies().then(
    () => run(script, args),
    (error) => {
      console.error(error.message);
      process.exitCode = 1;
    },
  );
}
