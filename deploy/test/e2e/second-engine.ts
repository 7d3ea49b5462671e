import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LABEL } from '@cronium/contracts';
import { eventually, RUN_VARIABLE, testDocker, testEnvironment, testNodeName } from '@cronium/testing';
import type Docker from 'dockerode';
import { copyImages, IMAGE_TAGS } from '../../local/bootstrap.ts';

/** A second Docker daemon, which stands for a second host. */
export interface SecondEngine extends AsyncDisposable {
  readonly dockerHost: string;
  /** Where its containers reach this machine. */
  readonly hostAddress: string;
  /** Ends its daemon, and waits for that. Containers that it leaves behind are its successor's. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Starts a daemon on the same data; resolves when it answers. */
  start(): Promise<void>;
  /** Sends a signal to the daemon alone and does not wait: SIGSTOP, SIGCONT. */
  signal(signal: NodeJS.Signals): void;
}

const START_MS = 120_000;

/**
 * Starts a second dockerd in a network namespace of its own: that of a container of the first engine, which has an
 * address and a way to this machine already. In this machine's own namespace it would fight with the first one over its
 * bridges. It gets the given images, and is removed with all that it stored.
 */
export async function startSecondEngine(images: readonly string[]): Promise<SecondEngine> {
  const first = testDocker();
  const stack = new AsyncDisposableStack();
  try {
    const place = await openNamespace(first, stack);
    const folder = await mkdtemp(join(tmpdir(), 'engine-'));
    stack.defer(() => removeFolder(folder));
    const dockerHost = `unix://${folder}/docker.sock`;
    let daemon = await startDaemon(place.pid, folder);
    stack.defer(async () => {
      await end(daemon);
      await endProcessesOf(folder);
    });
    await copyImages({ from: testEnvironment().dockerHost, to: dockerHost, tags: images });
    return {
      dockerHost,
      hostAddress: place.gateway,
      end: (signal) => end(daemon, signal),
      start: async () => {
        if (hasEnded(daemon)) daemon = await startDaemon(place.pid, folder);
      },
      signal: (signal) => void daemon.kill(signal),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** A container that does nothing, on a network of its own. */
async function openNamespace(
  docker: Docker,
  stack: AsyncDisposableStack,
): Promise<{ readonly pid: number; readonly gateway: string }> {
  const node = testNodeName();
  const labels = { [LABEL.managed]: 'true', [LABEL.node]: node, [LABEL.role]: 'holder' };
  const network = await docker.createNetwork({ Name: `cronium-host-${node}`, Labels: labels });
  stack.defer(() => network.remove());
  const container = await docker.createContainer({
    name: `cronium-host-${node}`,
    Image: IMAGE_TAGS.runtimeApi,
    Entrypoint: ['/toolkit/busybox', 'sleep', '100000'],
    Labels: labels,
    HostConfig: { NetworkMode: `cronium-host-${node}` },
  });
  stack.defer(() => container.remove({ force: true, v: true }));
  await container.start();
  const { State, NetworkSettings } = await container.inspect();
  const gateway = Object.values(NetworkSettings.Networks)[0]?.Gateway ?? '';
  return { pid: State.Pid, gateway };
}

async function startDaemon(namespaceOf: number, folder: string): Promise<ChildProcess> {
  const [data, exec] = [join(folder, 'data'), join(folder, 'exec')];
  await Promise.all([data, exec].map((path) => mkdir(path, { recursive: true })));
  const child = spawn(
    'nsenter',
    [
      `--net=/proc/${namespaceOf}/ns/net`,
      'dockerd',
      `--host=unix://${folder}/docker.sock`,
      `--data-root=${data}`,
      `--exec-root=${exec}`,
      `--pidfile=${folder}/docker.pid`,
      '--userland-proxy=false',
    ],
    {
      env: { PATH: process.env.PATH, TMPDIR: folder, [RUN_VARIABLE]: testEnvironment().runId },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const log: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => log.push(bytes));
  const docker = testDocker(`unix://${folder}/docker.sock`);
  try {
    // One that has ended answers no more.
    const looked = async () => (hasEnded(child) ? 'ended' : docker.ping().then(() => 'up'));
    const state = await eventually(looked, { what: 'the second dockerd answers', timeoutMs: START_MS });
    if (state === 'ended') throw new Error('the second dockerd ended at its start');
  } catch (error) {
    await end(child);
    throw new Error(`${Buffer.concat(log).toString().slice(-3000)}`, { cause: error });
  }
  return child;
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (hasEnded(child)) return;
  const ended = once(child, 'exit');
  // A stopped daemon takes no other signal.
  child.kill('SIGCONT');
  child.kill(signal);
  await ended;
}

/** A daemon that was killed may have left shims of containers that its successor does not know. */
async function endProcessesOf(folder: string): Promise<void> {
  for (const pid of (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (!command.includes(`${folder}/`)) continue;
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }
}

/** Layers and namespaces that a daemon left mounted keep its folder in use. */
async function removeFolder(folder: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '');
  for (const path of mounts.filter((mount) => mount.startsWith(`${folder}/`)).reverse()) {
    await once(spawn('umount', ['--lazy', path], { stdio: 'ignore' }), 'exit');
  }
  await rm(folder, { recursive: true, force: true, maxRetries: 10 });
}
