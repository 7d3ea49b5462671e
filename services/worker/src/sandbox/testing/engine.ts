import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LABEL } from '@cronium/contracts';
import { eventually, testDocker, testNodeName } from '@cronium/testing';
import type Docker from 'dockerode';
import { minimalImages } from './images.ts';

/**
 * A Docker daemon of a test's own, which may be stopped, killed and frozen. It runs in the network namespace of a container
 * of the run's engine: in the machine's own it would fight with that one over bridges.
 */
export class OwnEngine implements AsyncDisposable {
  readonly dockerHost: string;
  readonly docker: Docker;
  readonly #folder: string;
  readonly #namespaceOf: number;
  readonly #options: readonly string[];
  readonly #releases: AsyncDisposableStack;
  #daemon: ChildProcess | undefined;

  /** @param options more arguments of dockerd */
  static async start(options: readonly string[] = []): Promise<OwnEngine> {
    const releases = new AsyncDisposableStack();
    const first = testDocker();
    const images = await minimalImages(first);
    const holder = await first.createContainer({
      Image: images.job,
      Entrypoint: ['/bin/sleep', '1000000'],
      Labels: { [LABEL.managed]: 'true', [LABEL.node]: testNodeName() },
    });
    releases.defer(() => holder.remove({ force: true, v: true }));
    await holder.start();
    const folder = await mkdtemp(join(tmpdir(), 'own-engine-'));
    releases.defer(() => removeFolder(folder));
    const engine = new OwnEngine(folder, (await holder.inspect()).State.Pid, options, releases);
    await engine.up();
    await engine.docker.loadImage(await first.getImage(images.runtime).get());
    await engine.docker.loadImage(await first.getImage(images.job).get());
    return engine;
  }

  private constructor(
    folder: string,
    namespaceOf: number,
    options: readonly string[],
    releases: AsyncDisposableStack,
  ) {
    this.#folder = folder;
    this.#namespaceOf = namespaceOf;
    this.#options = options;
    this.#releases = releases;
    this.dockerHost = `unix://${folder}/docker.sock`;
    this.docker = testDocker(this.dockerHost);
  }

  /** Starts the daemon and waits until it answers. */
  async up(): Promise<void> {
    const folder = this.#folder;
    // A daemon that finds its containerd slow makes it write its stacks to TMPDIR.
    this.#daemon = spawn(
      'nsenter',
      [
        `--net=/proc/${this.#namespaceOf}/ns/net`,
        'env',
        `TMPDIR=${folder}`,
        'dockerd',
        `--host=${this.dockerHost}`,
        `--data-root=${folder}/data`,
        `--exec-root=${folder}/exec`,
        `--pidfile=${folder}/docker.pid`,
        '--userland-proxy=false',
        ...this.#options,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    const said: string[] = [];
    this.#daemon.stderr?.on('data', (bytes: Buffer) => said.splice(0, said.length - 40, bytes.toString()));
    await eventually(
      () => {
        if (!this.#runs) throw new Error(said.join(''));
        return this.docker.ping().then(Boolean);
      },
      { what: "the test's dockerd answers", timeoutMs: 120_000 },
    );
  }

  /** Sends a signal to the daemon and waits for its end. */
  async down(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const daemon = this.#daemon;
    if (daemon === undefined || !this.#runs) return;
    const ended = once(daemon, 'exit');
    daemon.kill(signal);
    await ended;
    if (signal === 'SIGKILL') await this.#afterKill();
  }

  /** Its containerd dies with it, but not at the same moment; a new daemon must not meet the dying one. */
  async #afterKill(): Promise<void> {
    await rm(`${this.#folder}/docker.pid`, { force: true });
    const pid = (await readFile(`${this.#folder}/exec/containerd/containerd.pid`, 'utf8')).trim();
    await eventually(() => !existsSync(`/proc/${pid}`), {
      what: "the killed daemon's containerd has ended",
      timeoutMs: 60_000,
    });
  }

  get #runs(): boolean {
    return this.#daemon?.exitCode === null && this.#daemon.signalCode === null;
  }

  freeze(): void {
    this.#daemon?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#daemon?.kill('SIGCONT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.thaw();
    // The containerd of a killed daemon, and its containers, go with the orderly end of the next one.
    if (!this.#runs) await this.up();
    await this.down('SIGTERM');
    await this.#releases.disposeAsync();
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
