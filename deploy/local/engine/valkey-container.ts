import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import type Docker from 'dockerode';
import type { BootstrapContext } from './context.ts';
import { dockerClient } from './docker-client.ts';
import { until } from './run.ts';
import type { LocalService } from './service.ts';
import type { ValkeySettings } from './valkey.ts';
import { valkeyUrl } from './valkey.ts';
import { pingValkey } from './valkey-ping.ts';

/** What is started where a registry answers and the machine has no valkey-server. */
export const VALKEY_IMAGE = 'valkey/valkey:8-bookworm';

const START_TIMEOUT_MS = 30_000;

/** Valkey in a container on the host's network, with the same data folder and configuration as a plain process. */
export function containerValkey(
  context: BootstrapContext,
  settings: ValkeySettings & { readonly dockerHost: string },
): LocalService {
  return new ContainerValkey(context, settings);
}

class ContainerValkey implements LocalService {
  readonly origin = 'container';
  readonly url: string;
  readonly #context: BootstrapContext;
  readonly #settings: ValkeySettings;
  readonly #docker: Docker;
  #container: Docker.Container | undefined;
  #pid: number | undefined;

  constructor(context: BootstrapContext, settings: ValkeySettings & { readonly dockerHost: string }) {
    this.#context = context;
    this.#settings = settings;
    this.url = valkeyUrl(settings);
    this.#docker = dockerClient(settings.dockerHost);
  }

  get pid(): number | undefined {
    return this.#pid;
  }

  async start(): Promise<void> {
    const name = `cronium-local-valkey-${this.#settings.port}`;
    this.#context.report(
      `Starting Valkey on port ${this.#settings.port} (container ${name} of ${VALKEY_IMAGE}).`,
    );
    await removeIfThere(this.#docker.getContainer(name));
    this.#container = await this.#docker.createContainer(this.#options(name));
    await this.#container.start();
    this.#pid = (await this.#container.inspect()).State.Pid;
    await until('Valkey answering in its container', () => pingValkey(this.#settings), {
      timeoutMs: START_TIMEOUT_MS,
    });
  }

  #options(name: string): Docker.ContainerCreateOptions {
    const dir = this.#settings.dir;
    const uid = process.getuid?.() ?? 0;
    const gid = process.getgid?.() ?? 0;
    chmodSync(join(dir, 'data'), 0o700);
    return {
      name,
      Image: VALKEY_IMAGE,
      // The image's own entrypoint changes user; the data folder belongs to whoever runs the local fleet.
      Entrypoint: ['valkey-server', join(dir, 'valkey.conf')],
      User: `${uid}:${gid}`,
      Labels: { 'cronium.local': 'valkey' },
      HostConfig: { NetworkMode: 'host', Binds: [`${dir}:${dir}`] },
    };
  }

  async stop(): Promise<void> {
    const container = this.#container;
    if (container === undefined) return;
    this.#container = undefined;
    this.#pid = undefined;
    await container.stop({ t: 10 }).catch(ignoreGone);
    await removeIfThere(container);
  }

  async exited(): Promise<void> {
    await this.#container?.wait().catch(ignoreGone);
    this.#pid = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

async function removeIfThere(container: Docker.Container): Promise<void> {
  await container.remove({ force: true, v: true }).catch(ignoreGone);
}

/** Docker's 304 (stopped already) and 404 (no such container) are what a stop asks for. */
function ignoreGone(error: { statusCode?: number }): void {
  if (error.statusCode !== 404 && error.statusCode !== 304) throw error;
}
