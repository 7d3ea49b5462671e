import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { AptSource } from './apt-sources.ts';
import {
  backportsSource,
  distributionSources,
  formatSources,
  parseListFile,
  parseSourcesFile,
} from './apt-sources.ts';
import type { BootstrapContext } from './context.ts';
import { withLock } from './lock.ts';
import { MissingError } from './missing-error.ts';
import type { Distribution } from './os-release.ts';
import { thisDistribution } from './os-release.ts';
import { findCommand, run } from './run.ts';

/** Package lists older than this are fetched again before a download, since mirrors drop replaced versions. */
const LISTS_FRESH_MS = 12 * 3_600_000;

/**
 * Packages that only maintainer scripts need. No script is ever run, so they are not unpacked: this halves a minimal
 * root file system.
 */
const SCRIPTS_ONLY =
  /^(perl|perl-base|perl-modules-.*|libperl.*|libgdbm.*|libdb5.*|libnumber-compare-perl|libtext-glob-perl|libfile-find-rule-perl|usrmerge|usr-is-merged|debconf|dpkg|init-system-helpers|adduser|passwd|libpam.*|libaudit.*|libsemanage.*|libsepol.*|sysvinit-utils|lsb-base|readline-common|mailcap|libdebconfclient0)$/;

/**
 * An apt of our own: own lists, own cache, an empty package database (so that a whole dependency closure is resolved),
 * the machine's mirrors and keys. It changes nothing outside its folder and needs no root.
 */
export interface PrivateApt {
  /**
   * Fetches the packages with all they depend on. Returns their files, in unpacking order.
   * @param keeps says by its name which of them are wanted. Default: all
   */
  download(packages: readonly string[], keeps?: (name: string) => boolean): Promise<string[]>;
}

/**
 * Opens the private apt. `release` takes packages from another release of the same mirror, for programs that stand alone.
 * Throws `MissingError` where there is no apt or no Debian mirror.
 */
export async function openPrivateApt(
  context: BootstrapContext,
  { release }: { readonly release?: string } = {},
): Promise<PrivateApt> {
  const distribution = thisDistribution();
  for (const command of ['apt-get', 'dpkg-deb']) {
    if (!distribution.debian || findCommand(command, context.env.PATH) === undefined) {
      throw new MissingError(`Debian's ${command} is not on this machine (${distribution.name}).`, [
        'Use a Debian machine, or one from which a container registry can be reached.',
        'Or name images that the engine already has: CRONIUM_BASE_IMAGE_BASE, _PYTHON, _NODE, _RUNTIME, _BUSYBOX.',
      ]);
    }
  }
  const sources = distributionSources(machineSources(), distribution.codename);
  if (sources.length === 0) {
    throw new MissingError(
      `No apt source of ${distribution.name} in /etc/apt/sources.list or sources.list.d.`,
      [`Add one, for example: deb <mirror> ${distribution.codename} main`],
    );
  }
  if (release === undefined) return new AptFolder(context, { name: 'apt', distribution, sources });
  const other = sources.slice(0, 1).map((source) => ({ ...source, suites: [release], components: ['main'] }));
  return new AptFolder(context, { name: `apt-${release}`, distribution, sources: other });
}

function machineSources(): AptSource[] {
  const folder = '/etc/apt/sources.list.d';
  const files = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
  const lists = ['/etc/apt/sources.list', ...files.filter((file) => file.endsWith('.list'))];
  return [
    ...lists.filter((file) => existsSync(file)).flatMap((file) => parseListFile(readFileSync(file, 'utf8'))),
    ...files
      .filter((file) => file.endsWith('.sources'))
      .flatMap((file) => parseSourcesFile(readFileSync(file, 'utf8'))),
  ];
}

class AptFolder implements PrivateApt {
  readonly #context: BootstrapContext;
  readonly #distribution: Distribution;
  readonly #sources: readonly AptSource[];
  readonly #folder: string;

  constructor(
    context: BootstrapContext,
    options: { name: string; distribution: Distribution; sources: readonly AptSource[] },
  ) {
    this.#context = context;
    this.#distribution = options.distribution;
    this.#sources = options.sources;
    this.#folder = join(context.home, options.name);
  }

  async download(packages: readonly string[], keeps = (_name: string) => true): Promise<string[]> {
    return withLock(this.#context, 'apt', async () => {
      this.#prepare();
      if (!this.#listsAreFresh()) await this.#update(this.#sources);
      if (!(await this.#offers(packages))) await this.#addBackports(packages);
      return this.#fetch(packages, keeps);
    });
  }

  #prepare(): void {
    for (const folder of ['state/lists/partial', 'cache/archives/partial', 'sources', 'preferences']) {
      mkdirSync(join(this.#folder, folder), { recursive: true });
    }
    for (const file of ['status', 'empty']) writeFileSync(join(this.#folder, file), '');
  }

  #options(): string[] {
    const at = (name: string): string => join(this.#folder, name);
    return Object.entries({
      'Dir::State': at('state'),
      'Dir::State::status': at('status'),
      'Dir::Cache': at('cache'),
      'Dir::Etc::sourcelist': at('empty'),
      'Dir::Etc::sourceparts': at('sources'),
      'Dir::Etc::preferences': at('empty'),
      'Dir::Etc::preferencesparts': at('preferences'),
      // apt drops root for a user that may not enter a folder under /root.
      'APT::Sandbox::User': 'root',
      'Acquire::Languages': 'none',
      'Acquire::Retries': '3',
      'APT::Get::Assume-Yes': 'true',
      'APT::Install-Recommends': 'false',
    }).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  }

  #listsAreFresh(): boolean {
    const stamp = join(this.#folder, 'updated');
    const written = join(this.#folder, 'sources/cronium.sources');
    if (!existsSync(stamp) || !existsSync(written)) return false;
    return Date.now() - statSync(stamp).mtimeMs < LISTS_FRESH_MS;
  }

  async #update(sources: readonly AptSource[]): Promise<void> {
    const suites = sources.flatMap((source) => source.suites).join(', ');
    this.#context.report(`Fetching Debian's package lists (${suites}) into ${this.#folder}.`);
    writeFileSync(join(this.#folder, 'sources/cronium.sources'), formatSources(sources));
    await run(['apt-get', ...this.#options(), '--error-on=any', 'update'], {
      env: aptEnvironment(this.#context),
    });
    writeFileSync(join(this.#folder, 'updated'), '');
  }

  async #offers(packages: readonly string[]): Promise<boolean> {
    const policy = await run(['apt-cache', ...this.#options(), 'policy', ...packages], {
      env: aptEnvironment(this.#context),
    });
    const candidates = policy.match(/Candidate: (?!\(none\))/g) ?? [];
    return candidates.length >= packages.length;
  }

  async #addBackports(packages: readonly string[]): Promise<void> {
    const backports = backportsSource(this.#sources, this.#distribution.codename);
    if (backports !== undefined) await this.#update([...this.#sources, backports]);
    if (await this.#offers(packages)) return;
    throw new MissingError(
      `${this.#distribution.name} has no package for one of: ${packages.join(', ')} (backports included).`,
      ['Check that the machine can reach its apt mirror: apt-get update'],
    );
  }

  async #fetch(packages: readonly string[], keeps: (name: string) => boolean): Promise<string[]> {
    const install = ['apt-get', ...this.#options(), 'install', ...packages, 'usr-is-merged'];
    const env = aptEnvironment(this.#context);
    const planned = await run([...install, '--simulate'], { env });
    const wanted = plannedPackages(planned).filter(({ name }) => !SCRIPTS_ONLY.test(name) && keeps(name));
    const archives = join(this.#folder, 'cache/archives');
    const missing = wanted.filter((item) => !existsSync(join(archives, item.file)));
    if (missing.length > 0) {
      this.#context.report(`Downloading ${missing.length} Debian packages for ${packages.join(', ')}.`);
      const exact = missing.map((item) => `${item.name}=${item.version}`);
      await run(['apt-get', ...this.#options(), 'download', ...exact], { env, cwd: archives });
    }
    return wanted.map((item) => join(archives, item.file));
  }
}

/** A package that apt would install, and the name that `apt-get download` gives its file. */
export interface PlannedPackage {
  readonly name: string;
  readonly version: string;
  readonly file: string;
}

/** Reads `apt-get --simulate install`: lines such as `Inst jq (1.6-2.1 Debian:12.15/oldstable [amd64])`. */
export function plannedPackages(output: string): PlannedPackage[] {
  return [...output.matchAll(/^Inst (\S+) \((\S+) .*\[(\w+)\]\)/gm)].map(
    ([, name = '', version = '', architecture]) => ({
      name,
      version,
      file: `${name}_${version.replaceAll(':', '%3a')}_${architecture}.deb`,
    }),
  );
}

/** apt's messages are parsed, so they must be in English. */
function aptEnvironment(context: BootstrapContext): NodeJS.ProcessEnv {
  return { ...context.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' } as NodeJS.ProcessEnv;
}

/**
 * Unpacks packages into a folder, one after the other, without running their scripts. A link to a folder (as /lib is on
 * a merged system) stays a link, which `dpkg-deb --extract` would replace.
 */
export async function unpack(files: readonly string[], folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const script = 'dpkg-deb --fsys-tarfile "$1" | tar --extract --keep-directory-symlink --directory "$2"';
  for (const file of files) await run(['sh', '-c', script, 'unpack', file, folder]);
}

/** Packages that are unpacked below the checkout, to be run or copied from there. */
export interface UnpackedPackages {
  /** Of the folder in `.cronium`. */
  readonly name: string;
  readonly packages: readonly string[];
  /** Why they are fetched, for the report: `No chromium on PATH`. */
  readonly reason: string;
  readonly release?: string;
  /** Which of them, and of what they depend on, are unpacked. Default: all but the C library. */
  readonly keeps?: (name: string) => boolean;
}

/** It has to match the machine's loader, so it stays the machine's own. */
const withoutLibc = (name: string): boolean => name !== 'libc6';

/** Fetches packages and unpacks them, once for each checkout. Returns the folder that holds them. */
export async function unpackPackages(context: BootstrapContext, what: UnpackedPackages): Promise<string> {
  const { name, packages, reason, release, keeps = withoutLibc } = what;
  const folder = join(context.home, name);
  if (existsSync(folder)) return folder;
  await withLock(context, name, async () => {
    if (existsSync(folder)) return;
    const from = release === undefined ? '' : ` of ${release}`;
    context.report(`${reason}: unpacking Debian's package ${packages[0]}${from} into ${folder}.`);
    const apt = await openPrivateApt(context, release === undefined ? {} : { release });
    const partial = `${folder}.partial`;
    rmSync(partial, { recursive: true, force: true });
    await unpack(await apt.download(packages, keeps), partial);
    renameSync(partial, folder);
  });
  return folder;
}
