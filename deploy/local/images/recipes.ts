/** The names under which the bootstrap keeps the fleet's images in the local engine. */
export const IMAGE_TAGS = {
  base: 'cronium/base:local',
  runtimeApi: 'cronium/runtime-api:local',
  jobBash: 'cronium/job-bash:local',
  jobPython: 'cronium/job-python:local',
  jobNode: 'cronium/job-node:local',
} as const;

/**
 * A stand-in for a registry's base image, made from Debian packages: a root file system that is either complete or
 * holds only what it adds to another image.
 */
export interface DebianBase {
  readonly tag: string;
  readonly packages: readonly string[];
  /** The image it goes on top of, and the packages that are in there already. */
  readonly on?: { readonly tag: string; readonly packages: readonly string[] };
  /** Adds the Node.js binary of the `node` npm package as /usr/local/bin/node. */
  readonly node?: boolean;
  /** Paths that are left out beyond documentation and translations. */
  readonly without?: readonly string[];
  /** A command that completes it in place of the packages' own scripts. */
  readonly finish?: string;
}

/** A build argument of a Dockerfile that names an image to build from. */
export interface BaseArgument {
  /** The argument's name in the Dockerfile; the Dockerfile's default is an image of the usual registry. */
  readonly argument: string;
  /** The environment variable with which an operator names another image. */
  readonly variable: string;
  readonly debian: DebianBase | { readonly tag: string; readonly packages?: undefined };
}

/** One image of the fleet: a Dockerfile below `images/`, and what it is built from. */
export interface Recipe {
  readonly tag: string;
  readonly dockerfile: string;
  /** Files and folders of the build context, below `images/`. */
  readonly context: readonly string[];
  readonly bases: readonly BaseArgument[];
  /** True when the context also gets the bundled programs, as `runtime-api/dist/*`. */
  readonly bundles?: boolean;
}

/** What every job image has. */
export const BASE_PACKAGES = [
  'base-files',
  'bash',
  'ca-certificates',
  'coreutils',
  'curl',
  'dash',
  'debianutils',
  'diffutils',
  'findutils',
  'grep',
  'gzip',
  'hostname',
  'jq',
  'libc-bin',
  'mawk',
  'netbase',
  'procps',
  'sed',
  'tar',
  'util-linux',
];
const NODE_LIBRARIES = ['libc6', 'libgcc-s1', 'libstdc++6', 'libatomic1'];
const ON_BASE = { tag: IMAGE_TAGS.base, packages: BASE_PACKAGES };

const base: Recipe = {
  tag: IMAGE_TAGS.base,
  dockerfile: 'base/Dockerfile',
  context: ['base'],
  bases: [
    {
      argument: 'BASE_IMAGE',
      variable: 'CRONIUM_BASE_IMAGE_BASE',
      debian: { tag: 'cronium/debian-base:local', packages: BASE_PACKAGES },
    },
  ],
};

const jobBash: Recipe = {
  tag: IMAGE_TAGS.jobBash,
  dockerfile: 'job-bash/Dockerfile',
  context: ['job-bash', 'helpers/bash'],
  bases: [{ argument: 'BASE_IMAGE', variable: 'CRONIUM_BASE_IMAGE_BASH', debian: { tag: IMAGE_TAGS.base } }],
};

const jobPython: Recipe = {
  tag: IMAGE_TAGS.jobPython,
  dockerfile: 'job-python/Dockerfile',
  context: ['job-python', 'helpers/python'],
  bases: [
    {
      argument: 'BASE_IMAGE',
      variable: 'CRONIUM_BASE_IMAGE_PYTHON',
      debian: {
        tag: 'cronium/debian-python:local',
        packages: ['python3'],
        on: ON_BASE,
        // Compiled once here: a job's root is read-only, so Python could never keep what it compiles.
        finish: 'python3 -m compileall -q -j 0 /usr/lib/python3*',
      },
    },
  ],
};

const jobNode: Recipe = {
  tag: IMAGE_TAGS.jobNode,
  dockerfile: 'job-node/Dockerfile',
  context: ['job-node', 'helpers/node'],
  bases: [
    {
      argument: 'BASE_IMAGE',
      variable: 'CRONIUM_BASE_IMAGE_NODE',
      debian: { tag: 'cronium/debian-node:local', packages: NODE_LIBRARIES, on: ON_BASE, node: true },
    },
  ],
};

const runtimeApi: Recipe = {
  tag: IMAGE_TAGS.runtimeApi,
  dockerfile: 'runtime-api/Dockerfile',
  context: ['runtime-api/Dockerfile', 'runtime-api/entry'],
  bundles: true,
  bases: [
    {
      argument: 'BASE_IMAGE',
      variable: 'CRONIUM_BASE_IMAGE_RUNTIME',
      debian: {
        tag: 'cronium/debian-runtime:local',
        packages: NODE_LIBRARIES,
        node: true,
        without: ['usr/lib/*/gconv', 'usr/share'],
      },
    },
    {
      argument: 'BUSYBOX_IMAGE',
      variable: 'CRONIUM_BASE_IMAGE_BUSYBOX',
      debian: {
        tag: 'cronium/debian-busybox:local',
        packages: ['busybox-static'],
        without: ['usr/share', 'etc'],
      },
    },
    {
      argument: 'COMPILER_IMAGE',
      variable: 'CRONIUM_BASE_IMAGE_COMPILER',
      debian: {
        tag: 'cronium/debian-compiler:local',
        packages: ['binutils', 'coreutils', 'dash', 'musl-dev', 'tcc'],
        without: ['usr/share'],
      },
    },
  ],
};

/** All images; one stands after those that it is built from. */
export const RECIPES: readonly Recipe[] = [base, jobBash, jobPython, jobNode, runtimeApi];
