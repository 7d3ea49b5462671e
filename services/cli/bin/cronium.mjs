#!/usr/bin/env node
// Runs the command line tool with the Node.js that the repository brings: the machine's own may be too old for it. Plain
// JavaScript without dependencies.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const main = resolve(dirname(fileURLToPath(import.meta.url)), '../src/main.ts');

/** Node.js 24 and newer run TypeScript as it is. */
const isNewEnough = Number(process.versions.node.split('.')[0]) >= 24;

function findNode() {
  for (let folder = dirname(main); ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules/.bin/node');
    if (existsSync(candidate)) return candidate;
    if (folder === dirname(folder)) return undefined;
  }
}

function runWith(node) {
  const child = spawn(node, [main, ...process.argv.slice(2)], { stdio: 'inherit' });
  // The terminal sends Ctrl-C to both, kill to this one alone; what the other gets twice at a time it takes for one.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

/**
 * npx starts this process in a shell, and passes a signal on to that shell alone: it dies of it, which is seen here as
 * another parent, and counts as the signal that did not come.
 */
function endWithShellOfNpx() {
  if (process.env.npm_command !== 'exec') return;
  const shell = process.ppid;
  const look = setInterval(() => {
    if (process.ppid !== shell) process.kill(process.pid, 'SIGTERM');
  }, 1000);
  look.unref();
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => clearInterval(look));
}

endWithShellOfNpx();
if (isNewEnough) {
  await import(main);
} else {
  const node = findNode();
  if (node === undefined) {
    console.error(
      `cronium needs Node.js 24 or newer; this is ${process.version}. Run "npm ci" in the repository: it brings one.`,
    );
    process.exitCode = 1;
  } else {
    runWith(node);
  }
}
