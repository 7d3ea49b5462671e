import type { JobSpec } from '@cronium/contracts';
import type { ImageFacts, ImageStore } from './images.ts';
import type { FleetImages } from './options.ts';
import { registryOf } from './registry-auth.ts';
import { SandboxError } from './runtime.ts';

/** So long an image is taken as it was seen, unless the daemon tells of a change before. */
const SEEN_MS = 5000;

/**
 * Which image a job runs in. The fleet's own images are the operator's business: a missing one keeps the node from being
 * ready, and is never the failure of a job.
 */
export class FleetImageStore {
  readonly #images: ImageStore;
  readonly #fleet: FleetImages;
  readonly #seen = new Map<string, { readonly facts: ImageFacts; readonly at: number }>();
  #changes = 0;

  constructor(images: ImageStore, fleet: FleetImages) {
    this.#images = images;
    this.#fleet = fleet;
  }

  /** @throws SandboxError `image` for one that the job names, `docker` for one of the fleet's */
  forJob(spec: JobSpec, signal: AbortSignal): Promise<ImageFacts> {
    const named = namedImage(spec);
    if (named === undefined) return this.#own(kindFor(spec), signal);
    return this.#asSeen(named, () => this.#images.ensure(named, signal));
  }

  /** The reference of a job's image. */
  referenceFor(spec: JobSpec): string {
    return namedImage(spec) ?? this.#fleet[kindFor(spec)];
  }

  /** A job's image as it is on this node now; `undefined` when it is not. */
  peek(spec: JobSpec): Promise<ImageFacts | undefined> {
    const reference = this.referenceFor(spec);
    return this.#asSeen(reference, () => this.#images.find(reference));
  }

  runtime(signal: AbortSignal): Promise<ImageFacts> {
    return this.#own('runtime', signal);
  }

  async isHere({ reference }: ImageFacts): Promise<boolean> {
    return (await this.#images.find(reference)) !== undefined;
  }

  /** An image or a tag may have changed: each is looked at again. */
  forget(): void {
    this.#changes += 1;
    this.#seen.clear();
  }

  /** The fleet's images that are not on this node and cannot be pulled, each with what to do. */
  async missing(signal: AbortSignal): Promise<{ name: string; message: string }[]> {
    const kinds = Object.keys(this.#fleet) as (keyof FleetImages)[];
    const problems = await Promise.all(
      kinds.map(async (kind) => {
        try {
          await this.#lookForOwn(kind, signal);
          return [];
        } catch (error) {
          if (!(error instanceof MissingFleetImageError)) throw error;
          return [{ name: `image ${this.#fleet[kind]}`, message: error.message }];
        }
      }),
    );
    return problems.flat();
  }

  /** The fleet's images that are on this node. */
  async present(signal: AbortSignal): Promise<string[]> {
    const found = await Promise.all(
      Object.values(this.#fleet).map((reference) => this.#images.find(reference, signal)),
    );
    return [...new Set(found.flatMap((image) => image?.reference ?? []))];
  }

  /** What was seen a moment ago counts: under load a look for each job costs more than it can find. */
  async #asSeen<T extends ImageFacts | undefined>(reference: string, look: () => Promise<T>): Promise<T> {
    const seen = this.#seen.get(reference);
    if (seen !== undefined && performance.now() - seen.at < SEEN_MS) return seen.facts as T;
    const changes = this.#changes;
    const facts = await look();
    if (facts !== undefined && changes === this.#changes) {
      this.#seen.set(reference, { facts, at: performance.now() });
    }
    return facts;
  }

  #own(kind: keyof FleetImages, signal: AbortSignal): Promise<ImageFacts> {
    return this.#asSeen(this.#fleet[kind], () => this.#lookForOwn(kind, signal));
  }

  async #lookForOwn(kind: keyof FleetImages, signal: AbortSignal): Promise<ImageFacts> {
    const reference = this.#fleet[kind];
    if (registryOf(reference) === undefined) {
      const found = await this.#images.find(reference, signal);
      if (found !== undefined) return found;
      throw new MissingFleetImageError(reference, kind);
    }
    try {
      return await this.#images.ensure(reference, signal);
    } catch (error) {
      if (!(error instanceof SandboxError) || error.code !== 'image') throw error;
      throw new MissingFleetImageError(reference, kind, error);
    }
  }
}

function namedImage(spec: JobSpec): string | undefined {
  return spec.type === 'container' || spec.type === 'script' ? spec.image : undefined;
}

function kindFor(spec: JobSpec): keyof FleetImages {
  return spec.type === 'script' ? spec.script.language : 'node';
}

/** Thrown when an image that the fleet itself brings is not on the node. */
export class MissingFleetImageError extends SandboxError {
  constructor(reference: string, kind: keyof FleetImages, cause?: Error) {
    const why = cause === undefined ? 'is not on this node' : `could not be pulled (${cause.message})`;
    super(
      'docker',
      `the fleet's image ${reference} ${why}: build it from images/${FOLDERS[kind]} on this host (npm run demo does so), or set CRONIUM_${kind.toUpperCase()}_IMAGE to one that this node can pull`,
      { cause },
    );
  }
}

const FOLDERS: Readonly<Record<keyof FleetImages, string>> = {
  runtime: 'runtime-api',
  bash: 'job-bash',
  python: 'job-python',
  node: 'job-node',
};
