import { addAbortSignal, type Readable } from 'node:stream';
import { deadline, waitFor } from '@cronium/lifecycle';
import type { ImageInspectInfo } from 'dockerode';
import { type DockerClient, statusOf } from './docker.ts';
import { registryAuth } from './registry-auth.ts';
import { SandboxError } from './runtime.ts';

/** What the fleet needs to know of an image that is on the node. */
export interface ImageFacts {
  readonly reference: string;
  readonly id: string;
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly workingDir: string;
  /** Paths that the image declares as volumes. */
  readonly volumes: readonly string[];
}

/** Docker's names for what the kernel calls otherwise. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x86_64: 'amd64', aarch64: 'arm64' };

/**
 * Brings images onto the node. However many jobs want an image, it is looked for once at a time and pulled once.
 */
export class ImageStore {
  readonly #client: DockerClient;
  readonly #pullMs: number;
  readonly #authFile: string | undefined;
  readonly #flights = new Map<string, Promise<ImageFacts>>();
  #architecture: string | undefined;

  /** @param options `authFile`: registry credentials, as `docker login` writes them */
  constructor(
    client: DockerClient,
    { pullMs, authFile }: { readonly pullMs: number; readonly authFile?: string | undefined },
  ) {
    this.#client = client;
    this.#pullMs = pullMs;
    this.#authFile = authFile;
  }

  /**
   * The image's facts, from the node or, if it is not there, from its registry.
   * @throws SandboxError `image` with the registry's answer when it cannot be had or does not run here
   */
  async ensure(reference: string, signal: AbortSignal): Promise<ImageFacts> {
    return waitFor(this.#flight(reference), signal);
  }

  /** The image's facts; `undefined` when it is not on the node. */
  async find(reference: string, signal?: AbortSignal): Promise<ImageFacts | undefined> {
    const found = await this.#look(reference, signal);
    return found && factsOf(reference, found);
  }

  #look(reference: string, signal?: AbortSignal): Promise<ImageInspectInfo | undefined> {
    return this.#client.find<ImageInspectInfo>({
      operation: `inspect image ${reference}`,
      method: 'GET',
      path: `/images/${reference}/json`,
      signal,
    });
  }

  #flight(reference: string): Promise<ImageFacts> {
    const running = this.#flights.get(reference);
    if (running !== undefined) return running;
    const flight = this.#findOrPull(reference).finally(() => this.#flights.delete(reference));
    this.#flights.set(reference, flight);
    return flight;
  }

  async #findOrPull(reference: string): Promise<ImageFacts> {
    const here = await this.#inspect(reference);
    if (here !== undefined) return here;
    await this.#pull(reference);
    const pulled = await this.#inspect(reference);
    if (pulled !== undefined) return pulled;
    throw new SandboxError('image', `the image ${reference} was pulled, and yet is not on this node`);
  }

  async #inspect(reference: string): Promise<ImageFacts | undefined> {
    const found = await this.#look(reference);
    if (found === undefined) return undefined;
    const node = await this.#nodeArchitecture();
    if (found.Os === 'linux' && found.Architecture === node) return factsOf(reference, found);
    throw new SandboxError(
      'image',
      `the image ${reference} is for ${found.Os}/${found.Architecture}, this node is linux/${node}: use an image for this platform`,
    );
  }

  async #nodeArchitecture(): Promise<string> {
    if (this.#architecture === undefined) {
      const { Arch } = await this.#client.call<{ Arch: string }>({
        operation: 'ask the daemon for its version',
        method: 'GET',
        path: '/version',
      });
      this.#architecture = ARCHITECTURES[Arch] ?? Arch;
    }
    return this.#architecture;
  }

  async #pull(reference: string): Promise<void> {
    const { name, tag } = splitReference(reference);
    const auth = this.#authFile === undefined ? undefined : await registryAuth(this.#authFile, reference);
    using limit = deadline(this.#pullMs, `pull image ${reference}`);
    try {
      const body = await this.#client.stream({
        operation: `pull image ${reference}`,
        method: 'POST',
        path: '/images/create',
        query: { fromImage: name, tag },
        ...(auth === undefined ? {} : { registryAuth: auth }),
        timeoutMs: this.#pullMs,
      });
      await followPull(body, reference, limit);
    } catch (error) {
      // No status: the daemon is away, and nothing is known of the image. With one: what the registry told the daemon.
      if (!(error instanceof SandboxError) || statusOf(error) === undefined) throw error;
      throw unavailable(reference, error.message, error);
    }
  }
}

const WHAT_TO_DO =
  'Is its name right, does the node reach the registry, and may it pull there (CRONIUM_REGISTRY_AUTH_FILE)?';

function unavailable(reference: string, detail: string, cause?: unknown): SandboxError {
  const why = detail.replace(/\.?\s*$/, '.');
  return new SandboxError('image', `the image ${reference} cannot be had: ${why} ${WHAT_TO_DO}`, { cause });
}

function factsOf(reference: string, { Id, Config }: ImageInspectInfo): ImageFacts {
  return {
    reference,
    id: Id,
    env: Config.Env ?? [],
    entrypoint: words(Config.Entrypoint),
    cmd: words(Config.Cmd),
    workingDir: Config.WorkingDir ?? '',
    volumes: Object.keys(Config.Volumes ?? {}),
  };
}

function words(value: string | readonly string[] | null | undefined): readonly string[] {
  if (value === null || value === undefined) return [];
  return typeof value === 'string' ? [value] : value;
}

/** Name and tag (or digest) apart; without a tag it is `latest`, as for `docker pull`, and not every tag there is. */
export function splitReference(reference: string): { name: string; tag: string } {
  const at = reference.indexOf('@');
  if (at >= 0) return { name: reference.slice(0, at), tag: reference.slice(at + 1) };
  const colon = reference.indexOf(':', reference.lastIndexOf('/') + 1);
  if (colon >= 0) return { name: reference.slice(0, colon), tag: reference.slice(colon + 1) };
  return { name: reference, tag: 'latest' };
}

/** Reads a pull's progress to its end; the daemon answers 200 first and says there how it went. */
async function followPull(body: Readable, reference: string, signal: AbortSignal): Promise<void> {
  let text = '';
  try {
    for await (const chunk of addAbortSignal(signal, body)) {
      text += String(chunk);
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) checkProgress(line, reference);
    }
    checkProgress(text, reference);
  } catch (error) {
    if (error instanceof SandboxError) throw error;
    throw unavailable(reference, error instanceof Error ? error.message : String(error), error);
  }
}

function checkProgress(line: string, reference: string): void {
  if (line.trim() === '') return;
  const message: unknown = JSON.parse(line);
  if (typeof message === 'object' && message !== null && 'error' in message) {
    throw unavailable(reference, String(message.error));
  }
}
