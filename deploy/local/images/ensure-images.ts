import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type Docker from 'dockerode';
import type { BootstrapContext } from '../engine/context.ts';
import { dockerClient } from '../engine/docker-client.ts';
import { withLock } from '../engine/lock.ts';
import { findImage, pullImage } from '../engine/pull.ts';
import { registryAnswers } from '../engine/registry.ts';
import type { ContextFile } from './build-context.ts';
import { contextFiles, hashFiles } from './build-context.ts';
import { bundlePrograms } from './bundle.ts';
import { buildImage, SOURCE_LABEL } from './docker-build.ts';
import type { BaseArgument, DebianBase, Recipe } from './recipes.ts';
import { RECIPES } from './recipes.ts';
import { rootfsArchive } from './rootfs.ts';

export interface EnsureImagesOptions {
  /** The engine that builds and keeps the images. */
  readonly dockerHost: string;
}

/** One image of the fleet as the engine has it now. */
export interface EnsuredImage {
  readonly tag: string;
  readonly id: string;
  readonly bytes: number;
  /** True when this call built it. */
  readonly built: boolean;
}

/** Raise it when this code builds other images from the same inputs. */
const FORMAT = '1';
const PULL_FIRST_ANSWER_MS = 60_000;
const DEFAULT_BASE = /^ARG BASE_IMAGE=(\S+)/m;

/**
 * Builds those of the fleet's images whose inputs changed since they were built. Base images come from where the
 * environment says (`CRONIUM_BASE_IMAGE_*`), else from a registry, else from Debian packages.
 */
export async function ensureImages(
  context: BootstrapContext,
  options: EnsureImagesOptions,
): Promise<EnsuredImage[]> {
  const docker = dockerClient(options.dockerHost);
  const inputs = await imageInputs(context);
  const images = await Promise.all(inputs.map((input) => currentImage(docker, input)));
  if (images.every((image) => image !== undefined)) return images;
  return withLock(context, 'images', () =>
    new ImageBuilder(context, docker, options.dockerHost, inputs).all(),
  );
}

/** A recipe with its files and the hash over everything that it is built from. */
interface ImageInput {
  readonly recipe: Recipe;
  readonly files: readonly ContextFile[];
  readonly source: string;
}

async function imageInputs(context: BootstrapContext): Promise<ImageInput[]> {
  const folder = join(context.root, 'images');
  const node = readFileSync(join(context.root, 'node_modules/node/package.json'), 'utf8');
  const bundles = await bundlePrograms(context);
  const sources = new Map<string, string>();
  return RECIPES.map((recipe) => {
    const files = contextFiles(folder, recipe.context);
    for (const { name, content } of recipe.bundles ? bundles : []) {
      files.push({ name: `runtime-api/dist/${name}`, mode: 0o644, content });
    }
    const chosen = recipe.bases.map((base) => [context.env[base.variable], sources.get(parentTag(base))]);
    const source = digest([FORMAT, node, hashFiles(files), JSON.stringify([recipe, chosen])]);
    sources.set(recipe.tag, source);
    return { recipe, files, source };
  });
}

/** The fleet's image that a base is, or is made on; an empty name when it is neither. */
function parentTag(base: BaseArgument): string {
  return base.debian.packages === undefined ? base.debian.tag : (base.debian.on?.tag ?? '');
}

function digest(parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 16);
}

async function currentImage(docker: Docker, input: ImageInput): Promise<EnsuredImage | undefined> {
  const info = await findImage(docker, input.recipe.tag);
  if (info?.Config?.Labels?.[SOURCE_LABEL] !== input.source) return undefined;
  return { tag: input.recipe.tag, id: info.Id, bytes: info.Size, built: false };
}

/** One round of builds. Each image, also one that others are built from, is made once however often it is asked for. */
class ImageBuilder {
  readonly #context: BootstrapContext;
  readonly #docker: Docker;
  readonly #dockerHost: string;
  readonly #inputs: readonly ImageInput[];
  readonly #made = new Map<string, Promise<EnsuredImage>>();

  constructor(context: BootstrapContext, docker: Docker, dockerHost: string, inputs: readonly ImageInput[]) {
    this.#context = context;
    this.#docker = docker;
    this.#dockerHost = dockerHost;
    this.#inputs = inputs;
  }

  all(): Promise<EnsuredImage[]> {
    return Promise.all(this.#inputs.map((input) => this.#image(input)));
  }

  #image(input: ImageInput): Promise<EnsuredImage> {
    const known = this.#made.get(input.recipe.tag) ?? this.#make(input);
    this.#made.set(input.recipe.tag, known);
    return known;
  }

  async #make(input: ImageInput): Promise<EnsuredImage> {
    const current = await currentImage(this.#docker, input);
    if (current !== undefined) return current;
    const { recipe, files, source } = input;
    const bases = await Promise.all(recipe.bases.map((base) => this.#base(recipe, base)));
    const named = bases.filter((base) => base.image !== undefined);
    this.#context.report(`Building the image ${recipe.tag}.`);
    await buildImage(this.#docker, {
      tag: recipe.tag,
      dockerfile: recipe.dockerfile,
      files,
      arguments: Object.fromEntries(named.map((base) => [base.argument, base.image ?? ''])),
      source,
      network: bases.some((base) => !base.complete),
    });
    const info = await this.#docker.getImage(recipe.tag).inspect();
    return { tag: recipe.tag, id: info.Id, bytes: info.Size, built: true };
  }

  /** Finds or makes what a Dockerfile builds from. No image: the Dockerfile's own default is used. */
  async #base(
    recipe: Recipe,
    base: BaseArgument,
  ): Promise<{ argument: string; image?: string; complete: boolean }> {
    const { argument, variable, debian } = base;
    const given = this.#context.env[variable];
    if (given) {
      if (!(await findImage(this.#docker, given))) await this.#pull(given);
      return { argument, image: given, complete: false };
    }
    if (debian.packages === undefined) {
      await this.#fleetImage(debian.tag);
      return { argument, image: debian.tag, complete: true };
    }
    if (await registryAnswers(this.#context, this.#dockerHost, this.#defaultBase(recipe))) {
      return { argument, complete: false };
    }
    await this.#debianBase(debian);
    return { argument, image: debian.tag, complete: true };
  }

  async #pull(image: string): Promise<void> {
    this.#context.report(`Pulling ${image}.`);
    await pullImage(this.#docker, image, { firstAnswerMs: PULL_FIRST_ANSWER_MS });
  }

  async #fleetImage(tag: string): Promise<void> {
    const input = this.#inputs.find((candidate) => candidate.recipe.tag === tag);
    if (input !== undefined) await this.#image(input);
  }

  #defaultBase(recipe: Recipe): string {
    const text = readFileSync(join(this.#context.root, 'images', recipe.dockerfile), 'utf8');
    const image = DEFAULT_BASE.exec(text)?.[1];
    if (image === undefined)
      throw new Error(`images/${recipe.dockerfile} has no line "ARG BASE_IMAGE=<image>".`);
    return image;
  }

  async #debianBase(base: DebianBase): Promise<void> {
    if (base.on !== undefined) await this.#fleetImage(base.on.tag);
    const node = base.node ? process.version : '';
    const key = digest([FORMAT, process.arch, node, JSON.stringify(base)]);
    const parent = base.on === undefined ? undefined : (await findImage(this.#docker, base.on.tag))?.Id;
    const source = digest([key, parent ?? '']);
    const info = await findImage(this.#docker, base.tag);
    if (info?.Config?.Labels?.[SOURCE_LABEL] === source) return;
    const path = await rootfsArchive(this.#context, base, key);
    await buildImage(this.#docker, {
      tag: base.tag,
      dockerfile: 'Dockerfile',
      files: [
        { name: 'Dockerfile', mode: 0o644, content: Buffer.from(debianDockerfile(base)) },
        { name: 'rootfs.tar', mode: 0o644, content: { path } },
      ],
      arguments: {},
      source,
      network: false,
    });
  }
}

function debianDockerfile(base: DebianBase): string {
  return [
    `FROM ${base.on?.tag ?? 'scratch'}`,
    'ADD rootfs.tar /',
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    ...(base.finish ? [`RUN ${base.finish}`] : []),
    '',
  ].join('\n');
}
