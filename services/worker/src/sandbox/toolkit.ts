import { LABEL, TOOLKIT_SOURCE } from '@cronium/contracts';
import { retry } from '@cronium/lifecycle';
import { inspectContainer, removeContainer } from './containers.ts';
import { type DockerClient, statusOf } from './docker.ts';
import type { ImageFacts } from './images.ts';
import { SandboxError } from './runtime.ts';

/** Filling takes well under a second. */
const STALE_MS = 10_000;
const PROGRAMS = ['busybox', 'entry'];
const VOLUME_PREFIX = 'cronium-toolkit-';
const STAT_HEADER = 'x-docker-container-path-stat';

interface ListedVolume {
  readonly Name: string;
  readonly CreatedAt: string;
}

/**
 * The volume with the program that starts every job, and a static busybox. Docker fills it from the runtime-api image's `/toolkit` when
 * a container is created on it; its name has the image's id, so a new image gets a new one.
 */
export class Toolkit {
  readonly #client: DockerClient;
  readonly #ready = new Map<string, Promise<string>>();

  constructor(client: DockerClient) {
    this.#client = client;
  }

  /** The name of the filled volume of this image; made and checked once. */
  async volume(image: ImageFacts): Promise<string> {
    const known = this.#ready.get(image.id);
    if (known !== undefined) return known;
    const making = this.#make(image);
    this.#ready.set(image.id, making);
    try {
      return await making;
    } catch (error) {
      this.#ready.delete(image.id);
      throw error;
    }
  }

  /** Someone may have pruned the volume: look again at its next use. */
  forget(): void {
    this.#ready.clear();
  }

  /**
   * Removes the volumes of images that are not on this engine any more: no worker can use them. A volume belongs to the
   * engine and not to a node, for all its workers share it.
   * @returns their names
   */
  async unused({
    graceMs,
    dryRun,
  }: {
    readonly graceMs: number;
    readonly dryRun: boolean;
  }): Promise<string[]> {
    const filters = { label: [LABEL.managed, `${LABEL.role}=toolkit`] };
    const { Volumes } = await this.#client.call<{ Volumes: readonly ListedVolume[] | null }>({
      operation: 'list volumes',
      method: 'GET',
      path: '/volumes',
      query: { filters },
    });
    const old = (Volumes ?? []).filter(({ CreatedAt }) => Date.now() - Date.parse(CreatedAt) > graceMs);
    const removed = await Promise.all(old.map(({ Name }) => this.#removeUnused(Name, dryRun)));
    return removed.flat();
  }

  async #removeUnused(volume: string, dryRun: boolean): Promise<string[]> {
    const id = volume.slice(VOLUME_PREFIX.length);
    const path = `/images/${id}/json`;
    if ((await this.#client.find({ operation: `inspect image ${id}`, method: 'GET', path })) !== undefined)
      return [];
    if (dryRun) return [volume];
    try {
      await this.#client.call({
        operation: `remove volume ${volume}`,
        method: 'DELETE',
        path: `/volumes/${volume}`,
      });
      this.#ready.clear();
      return [volume];
    } catch (error) {
      // 409: a job that began before the image was removed still uses it. 404: another worker was quicker.
      if (statusOf(error) === 409 || statusOf(error) === 404) return [];
      throw error;
    }
  }

  async #make(image: ImageFacts): Promise<string> {
    const volume = `${VOLUME_PREFIX}${image.id.replace(/^sha256:/, '').slice(0, 12)}`;
    await this.#client.call({
      operation: `create volume ${volume}`,
      method: 'POST',
      path: '/volumes/create',
      body: { Name: volume, Labels: { [LABEL.managed]: 'true', [LABEL.role]: 'toolkit' } },
    });
    await retry(() => this.#fill(volume, image), {
      signal: AbortSignal.timeout(60_000),
      attempts: 20,
      // Another worker of this host is at it: its container has the name.
      when: (error) => statusOf(error) === 409,
      onRetry: () => void this.#clearStale(volume).catch(() => undefined),
    });
    return volume;
  }

  /** A worker that died while filling left its container behind. */
  async #clearStale(name: string): Promise<void> {
    const found = await inspectContainer(this.#client, name);
    if (found !== undefined && Date.now() - Date.parse(found.Created) > STALE_MS) {
      await removeContainer(this.#client, found.Id);
    }
  }

  async #fill(volume: string, image: ImageFacts): Promise<void> {
    const { Id: id } = await this.#client.call<{ Id: string }>({
      operation: `fill the volume ${volume} from ${image.reference}`,
      method: 'POST',
      path: '/containers/create',
      query: { name: volume },
      body: {
        Image: image.id,
        Labels: {
          [LABEL.managed]: 'true',
          [LABEL.role]: 'toolkit',
          [LABEL.createdAt]: String(Date.now()),
        },
        HostConfig: { Mounts: [{ Type: 'volume', Source: volume, Target: TOOLKIT_SOURCE }] },
      },
    });
    try {
      await this.#check(id, volume, image);
    } finally {
      await removeContainer(this.#client, id);
    }
  }

  async #check(id: string, volume: string, image: ImageFacts): Promise<void> {
    for (const program of PROGRAMS) {
      const path = `${TOOLKIT_SOURCE}/${program}`;
      const size = await this.#sizeOf(id, path);
      if (size !== undefined && size > 0) continue;
      throw new SandboxError(
        'docker',
        `the volume ${volume} has no ${program}: the image ${image.reference} has no ${path} because it is of a former version, or the volume was filled by something else; build or load the present image, or remove the volume`,
      );
    }
  }

  async #sizeOf(id: string, path: string): Promise<number | undefined> {
    try {
      const answer = await this.#client.stream({
        operation: `look for ${path} in the toolkit`,
        method: 'HEAD',
        path: `/containers/${id}/archive`,
        query: { path },
      });
      answer.destroy();
      const stat = JSON.parse(Buffer.from(String(answer.headers[STAT_HEADER] ?? ''), 'base64').toString());
      return typeof stat.size === 'number' ? stat.size : undefined;
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }
}
