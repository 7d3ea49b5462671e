import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unpackPackages } from './apt.ts';
import type { BootstrapContext } from './context.ts';
import { freePort } from './ports.ts';
import { registryAnswers } from './registry.ts';
import { findCommand } from './run.ts';
import { keptPassword } from './secret.ts';
import type { LocalService } from './service.ts';
import { givenService, ProcessService } from './service.ts';
import { containerValkey, VALKEY_IMAGE } from './valkey-container.ts';
import { pingValkey } from './valkey-ping.ts';

/** May only look up revoked tokens, with any password. */
export const SIDECAR_USER = 'sidecar';

export interface ValkeyOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** Addresses to listen on. Default: 127.0.0.1 alone. One that the host lacks is skipped. */
  readonly listen?: readonly string[];
  /** Folder for data, password and log. Default: `.cronium/data/valkey`. */
  readonly dir?: string;
  /** Where a container may be started when there is no binary on the machine. Default: none is. */
  readonly dockerHost?: string;
}

/**
 * A running Valkey that keeps what it is given (append-only file, no eviction, password): the one that
 * `CRONIUM_VALKEY_URL` names, else one started from PATH, from a container, or from Debian's package.
 */
export async function ensureValkey(
  context: BootstrapContext,
  options: ValkeyOptions = {},
): Promise<LocalService> {
  const given = context.env.CRONIUM_VALKEY_URL;
  if (given) return givenService(given);
  const dir = options.dir ?? join(context.home, 'data/valkey');
  const settings: ValkeySettings = {
    dir,
    port: options.port ?? (await freePort()),
    listen: options.listen ?? ['127.0.0.1'],
    password: keptPassword(dir),
  };
  const binary = await findValkey(context, options.dockerHost);
  writeConfiguration(settings);
  const service =
    binary === 'container'
      ? containerValkey(context, { ...settings, dockerHost: options.dockerHost ?? '' })
      : processValkey(context, settings, binary);
  await service.start();
  return service;
}

export interface ValkeySettings {
  readonly dir: string;
  readonly port: number;
  readonly listen: readonly string[];
  readonly password: string;
}

/** How the binary is run: where it is, and the libraries that came with it. */
interface ValkeyBinary {
  readonly origin: 'path' | 'debian';
  readonly path: string;
  readonly libraries?: string;
}

async function findValkey(
  context: BootstrapContext,
  dockerHost: string | undefined,
): Promise<ValkeyBinary | 'container'> {
  const onPath = findCommand('valkey-server', context.env.PATH);
  if (onPath !== undefined) return { origin: 'path', path: onPath };
  const unpacked = join(context.home, 'valkey');
  if (existsSync(unpacked)) return unpackedValkey(unpacked);
  if (dockerHost !== undefined && (await registryAnswers(context, dockerHost, VALKEY_IMAGE)))
    return 'container';
  const reason = 'No valkey-server on PATH';
  return unpackedValkey(
    await unpackPackages(context, { name: 'valkey', packages: ['valkey-server'], reason }),
  );
}

function unpackedValkey(folder: string): ValkeyBinary {
  const libraries = ['usr/lib', 'lib']
    .map((name) => join(folder, name))
    .filter((name) => existsSync(name))
    .flatMap((name) => readdirSync(name, { withFileTypes: true }))
    .filter((entry) => entry.isDirectory() && entry.name.includes('-linux-gnu'))
    .map((entry) => join(entry.parentPath, entry.name));
  return { origin: 'debian', path: join(folder, 'usr/bin/valkey-server'), libraries: libraries.join(':') };
}

function processValkey(
  context: BootstrapContext,
  settings: ValkeySettings,
  binary: ValkeyBinary,
): LocalService {
  context.report(`Starting Valkey on port ${settings.port} (${binary.path}, data in ${settings.dir}).`);
  return new ProcessService(context, {
    name: 'Valkey',
    url: valkeyUrl(settings),
    origin: binary.origin,
    dir: settings.dir,
    command: [binary.path, join(settings.dir, 'valkey.conf')],
    env: {
      ...context.env,
      ...(binary.libraries && { LD_LIBRARY_PATH: binary.libraries }),
    } as NodeJS.ProcessEnv,
    stopSignal: 'SIGTERM',
    ready: () => pingValkey(settings),
  });
}

/** Where clients on this host reach it. */
export function valkeyUrl(settings: ValkeySettings): string {
  return `redis://:${settings.password}@127.0.0.1:${settings.port}`;
}

/** The password is in the file, not among the arguments, which every user of the machine can read. */
function writeConfiguration(settings: ValkeySettings): void {
  mkdirSync(join(settings.dir, 'data'), { recursive: true });
  const listen = [...new Set(['127.0.0.1', ...settings.listen])];
  const lines = [
    // A leading "-" makes an address that the host lacks no error.
    `bind ${listen.map((address) => `-${address}`).join(' ')}`,
    `port ${settings.port}`,
    `requirepass ${settings.password}`,
    // What sidecars need, and nothing else: a job that broke out of its sidecar would hold no password.
    `user ${SIDECAR_USER} on nopass ~*:revoked:* resetchannels -@all +exists +ping +info +client|setinfo +client|setname`,
    `dir ${join(settings.dir, 'data')}`,
    'appendonly yes',
    'appendfsync everysec',
    'maxmemory-policy noeviction',
    'save ""',
    'daemonize no',
    'tcp-keepalive 10',
  ];
  writeFileSync(join(settings.dir, 'valkey.conf'), `${lines.join('\n')}\n`, { mode: 0o600 });
}
