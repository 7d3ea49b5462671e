import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { BootstrapContext } from '../local/bootstrap.ts';
import { unpackPackages } from '../local/engine/apt.ts';
import { findCommand, run } from '../local/engine/run.ts';

/** The first Debian release whose docker-compose is version 2. */
const RELEASE = 'trixie';

/** How to call Docker Compose version 2 on this machine: Docker's plugin, a program on PATH, or Debian's package. */
export async function ensureCompose(context: BootstrapContext): Promise<readonly string[]> {
  const { env } = context;
  const docker = findCommand('docker', env.PATH);
  if (docker !== undefined && (await isVersion2([docker, 'compose']))) return [docker, 'compose'];
  const onPath = findCommand('docker-compose', env.PATH);
  if (onPath !== undefined && (await isVersion2([onPath]))) return [onPath];
  const folder = await unpackPackages(context, {
    name: 'docker-compose',
    packages: ['docker-compose'],
    reason: 'No Docker Compose 2 here',
    release: RELEASE,
    keeps: (name) => name === 'docker-compose',
  });
  const program = ['usr/libexec/docker/cli-plugins/docker-compose', 'usr/bin/docker-compose']
    .map((path) => join(folder, path))
    .find((path) => existsSync(path));
  if (program === undefined) throw new Error(`The docker-compose package in ${folder} has no program.`);
  return [program];
}

async function isVersion2(command: readonly string[]): Promise<boolean> {
  const version = await run([...command, 'version', '--short']).catch(() => '');
  return /^v?[2-9]\./.test(version.trim());
}

/** Runs Docker Compose on compose.yaml, or on other files, and shows what it prints. Throws when it fails. */
export async function compose(
  command: readonly string[],
  args: readonly string[],
  options: {
    readonly root: string;
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly files?: readonly string[];
  },
): Promise<void> {
  const [file = '', ...lead] = command;
  const files = (options.files ?? ['compose.yaml']).flatMap((name) => ['--file', join(options.root, name)]);
  const child = spawn(file, [...lead, ...files, ...args], {
    cwd: options.root,
    env: { ...options.env },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [code, signal] = await once(child, 'exit');
  if (code !== 0)
    throw new Error(`docker compose ${args.join(' ')} failed (${signal ?? `exit code ${code}`}).`);
}
