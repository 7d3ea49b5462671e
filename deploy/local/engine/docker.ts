import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BootstrapContext } from './context.ts';
import { dockerClient } from './docker-client.ts';
import { withLock } from './lock.ts';
import { MissingError } from './missing-error.ts';
import { thisDistribution } from './os-release.ts';
import { CommandError, findCommand, isAlive, run, until } from './run.ts';

export { dockerClient } from './docker-client.ts';

const DEFAULT_HOST = 'unix:///var/run/docker.sock';
const PID_FILE = '/var/run/docker.pid';
const PING_TIMEOUT_MS = 3000;
const START_TIMEOUT_MS = 60_000;

/** A Docker engine that answers. */
export interface DockerEngine {
  /** As DOCKER_HOST wants it, for example `unix:///var/run/docker.sock`. */
  readonly host: string;
  /** True when this call started the daemon. It is left running, like a service. */
  readonly startedByUs: boolean;
  readonly pid: number | undefined;
}

/**
 * The engine that `DOCKER_HOST` names or that answers at Docker's usual socket. Else, on Debian as root, Debian's own
 * engine is installed and started; it stays running afterwards. An abort ends the waiting, not the daemon.
 */
export async function ensureDocker(context: BootstrapContext, signal?: AbortSignal): Promise<DockerEngine> {
  const host = context.env.DOCKER_HOST || DEFAULT_HOST;
  const problem = await whyNot(host);
  if (problem === undefined) return { host, startedByUs: false, pid: daemonPid() };
  if (context.env.DOCKER_HOST) {
    throw new MissingError(`No Docker engine answers at DOCKER_HOST=${host}: ${problem}`, [
      'Start that engine, correct DOCKER_HOST, or unset it to use the engine of this machine.',
    ]);
  }
  refuseWhereNotAllowed(context, problem);
  return withLock(context, 'docker', () => startDocker(context, signal));
}

/** Why the engine cannot be used, in its own words; undefined when it answers. */
async function whyNot(host: string): Promise<string | undefined> {
  try {
    await dockerClient(host, { timeoutMs: PING_TIMEOUT_MS }).ping();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const OTHER_ENGINE = 'Or name an engine elsewhere: DOCKER_HOST=unix:///path/docker.sock or tcp://host:2375';

function refuseWhereNotAllowed(context: BootstrapContext, problem: string): void {
  const root = process.getuid?.() === 0;
  const installed = findCommand('dockerd', context.env.PATH) !== undefined;
  const refusal = refusalOf(problem, { root, installed, ...thisDistribution() });
  if (refusal !== undefined) throw refusal;
}

/** Who may neither start an engine nor install one is told what to do; undefined for who may. */
export function refusalOf(
  problem: string,
  machine: {
    readonly root: boolean;
    readonly installed: boolean;
    readonly debian: boolean;
    readonly name: string;
  },
): MissingError | undefined {
  const { root, installed, debian, name } = machine;
  if (root && (debian || installed)) return undefined;
  if (problem.includes('EACCES')) {
    return new MissingError(`Your user may not use the Docker engine at ${DEFAULT_HOST}: ${problem}`, [
      'Add your user to the group "docker" (as root: usermod -aG docker NAME), and log in again.',
      'Or run this command as root.',
      OTHER_ENGINE,
    ]);
  }
  return new MissingError(`No Docker engine answers at ${DEFAULT_HOST}: ${problem}`, [
    installed
      ? 'Docker is installed: start it (as root: systemctl start docker), and add your user to the group "docker".'
      : `Install Docker for ${name}: https://docs.docker.com/engine/install/`,
    ...(debian && !installed ? ['Or run this command once as root: it installs docker.io.'] : []),
    OTHER_ENGINE,
  ]);
}

async function startDocker(context: BootstrapContext, signal?: AbortSignal): Promise<DockerEngine> {
  signal?.throwIfAborted();
  if ((await whyNot(DEFAULT_HOST)) === undefined)
    return { host: DEFAULT_HOST, startedByUs: false, pid: daemonPid() };
  if (findCommand('dockerd', context.env.PATH) === undefined) await installDocker(context);
  const byInit = await startedByInit(context);
  const daemon = byInit ? undefined : launchDaemon(context);
  const log = byInit ? 'journalctl -u docker' : logPath(context);
  const isUp = async (): Promise<boolean> => {
    if (daemon?.exitCode != null)
      throw new Error(`dockerd ended at once. The end of ${log}:\n${logTail(log)}`);
    return (await whyNot(DEFAULT_HOST)) === undefined;
  };
  await until(`Docker answering at ${DEFAULT_HOST} (its log: ${log})`, isUp, {
    timeoutMs: START_TIMEOUT_MS,
    ...(signal && { signal }),
  });
  const pid = daemonPid();
  const stop = byInit ? 'systemctl stop docker' : `kill ${pid}`;
  context.report(`Docker runs (process ${pid}) and stays running. To stop it: ${stop}`);
  return { host: DEFAULT_HOST, startedByUs: true, pid };
}

async function installDocker(context: BootstrapContext): Promise<void> {
  const install = ['apt-get', 'install', '-y', '--no-install-recommends', 'docker.io', 'iptables'];
  const env = { ...context.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' } as NodeJS.ProcessEnv;
  context.report(`No Docker engine on this machine. Installing Debian's: ${install.join(' ')}`);
  try {
    await run(install, { env });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    // Lists that were never fetched, or are older than the mirror's packages, are the usual reason.
    context.report('The package lists are missing or old: apt-get update, then again.');
    await run(['apt-get', 'update'], { env });
    await run(install, { env });
  }
}

/** Lets systemd start Docker where it rules; elsewhere an init script may have started it on installation. */
async function startedByInit(context: BootstrapContext): Promise<boolean> {
  if (existsSync('/run/systemd/system')) {
    context.report('Starting Docker: systemctl start docker');
    await run(['systemctl', 'start', 'docker']);
    return true;
  }
  const pid = daemonPid();
  return pid !== undefined && isAlive(pid);
}

/** A daemon in a session of its own, which outlives this process. */
function launchDaemon(context: BootstrapContext): ChildProcess {
  const path = logPath(context);
  context.report(`Starting Docker: dockerd (log in ${path})`);
  const log = openSync(path, 'a');
  try {
    const child = spawn(findCommand('dockerd', context.env.PATH) ?? 'dockerd', [], {
      cwd: '/',
      detached: true,
      stdio: ['ignore', log, log],
    });
    child.unref();
    return child;
  } finally {
    closeSync(log);
  }
}

function logPath(context: BootstrapContext): string {
  return join(context.home, 'dockerd.log');
}

function logTail(path: string): string {
  return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-5).join('\n');
}

function daemonPid(): number | undefined {
  try {
    return Number(readFileSync(PID_FILE, 'utf8'));
  } catch {
    return undefined;
  }
}
