/**
 * The import rule: services -> libs; libs -> contracts at most; never service -> service; nothing -> deploy. Docker is
 * driven by the worker alone and PostgreSQL by results alone (and by what tests and starts them).
 */
import { posix } from 'node:path';
import { type Finding, lineAt, type SourceFile } from './finding.ts';

/** One import in a file. */
export interface Import {
  readonly specifier: string;
  readonly line: number;
}

/** The parts of a package.json that count here. */
export interface Manifest {
  readonly name?: string | undefined;
  readonly dependencies?: Readonly<Record<string, string>> | undefined;
  readonly devDependencies?: Readonly<Record<string, string>> | undefined;
}

/** Packages that only some parts of the repository may import. */
const RESERVED: Readonly<Record<string, readonly string[]>> = {
  dockerode: ['services/worker', 'libs/testing', 'deploy'],
  pg: ['services/results', 'libs/testing', 'deploy'],
  kysely: ['services/results', 'libs/testing', 'deploy'],
};

const STATEMENT = /^[ \t]*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm;
const SIDE_EFFECT = /^[ \t]*import\s*['"]([^'"]+)['"]/gm;
const DYNAMIC = /\bimport\(\s*['"]([^'"]+)['"]/g;

/** What scripts inside job containers import; tests hold such scripts as text. */
const JOB_HELPER = 'cronium';

/** All imports with a fixed specifier: statements, re-exports, side effects, dynamic imports. */
export function importsOf(text: string): Import[] {
  return [STATEMENT, SIDE_EFFECT, DYNAMIC].flatMap((pattern) =>
    [...text.matchAll(pattern)].map((match) => ({
      specifier: match[1] ?? '',
      line: lineAt(text, match.index + match[0].length),
    })),
  );
}

/** `libs/config`, `services/worker`, `deploy`, …: the part of the repository that a path belongs to. */
export function partOf(path: string): string {
  const [first = '', second = ''] = path.split('/');
  return first === 'libs' || first === 'services' ? `${first}/${second}` : first;
}

/** Checks the imports of a file. `manifests` are the workspaces' package.json by part; the root's is under ``. */
export function checkImports(file: SourceFile, manifests: ReadonlyMap<string, Manifest>): Finding[] {
  const from = partOf(file.path);
  // A bundler's configuration runs where tests run: beside the sources, never in a service.
  const isTest = /\.test\.ts$|\/test(ing)?\/|\/vite\.config\.ts$/.test(file.path);
  return importsOf(file.text).flatMap(({ specifier, line }) => {
    const message = specifier.startsWith('.')
      ? relativeProblem(file.path, specifier)
      : packageProblem({ from, specifier, isTest, manifests });
    return message === undefined
      ? []
      : [{ where: `${file.path}:${line}`, message, severity: 'error' as const }];
  });
}

function relativeProblem(path: string, specifier: string): string | undefined {
  const target = posix.normalize(posix.join(posix.dirname(path), specifier));
  const [from, to] = [partOf(path), partOf(target)];
  if (from === to) return undefined;
  if (from === 'deploy' || !/^(libs|services|deploy)(\/|$)/.test(from)) return undefined;
  return `a relative import leaves ${from}: ${specifier}`;
}

interface PackageImport {
  readonly from: string;
  readonly specifier: string;
  readonly isTest: boolean;
  readonly manifests: ReadonlyMap<string, Manifest>;
}

function packageProblem(one: PackageImport): string | undefined {
  if (one.specifier.startsWith('node:') || one.specifier === JOB_HELPER) return undefined;
  const name = packageName(one.specifier);
  const target = [...one.manifests].find(([part, { name: own }]) => part !== '' && own === name)?.[0];
  return (
    (target === undefined ? reservedProblem(one.from, name) : directionProblem(one, target)) ??
    declarationProblem(one, name)
  );
}

function directionProblem({ from, isTest }: PackageImport, target: string): string | undefined {
  if (target === from || from === 'deploy' || (isTest && target === 'libs/testing')) return undefined;
  if (target.startsWith('services/')) return `${from} may not import the service ${target}`;
  if (target === 'libs/testing') return `only tests may import ${target}`;
  if (from.startsWith('libs/') && target !== 'libs/contracts') {
    return `${from} may import libs/contracts at most, not ${target}`;
  }
  return undefined;
}

function reservedProblem(from: string, name: string): string | undefined {
  const allowed = Object.hasOwn(RESERVED, name) ? RESERVED[name] : undefined;
  if (allowed === undefined || allowed.includes(from)) return undefined;
  return `${name} may be imported by ${allowed.join(', ')} alone, not by ${from}`;
}

/** A package that works only because another workspace installed it breaks when that one drops it. */
function declarationProblem({ from, isTest, manifests }: PackageImport, name: string): string | undefined {
  const own = manifests.get(from);
  const root = manifests.get('');
  if (own === undefined)
    return declares(root, name, true) || isWorkspace(manifests, name)
      ? undefined
      : undeclared(name, 'the root');
  if (own.name === name || declares(own, name, isTest)) return undefined;
  return isTest && declares(root, name, true) ? undefined : undeclared(name, from);
}

function undeclared(name: string, where: string): string {
  return `${name} is not among the dependencies of ${where}`;
}

function declares(manifest: Manifest | undefined, name: string, dev: boolean): boolean {
  if (Object.hasOwn(manifest?.dependencies ?? {}, name)) return true;
  return dev && Object.hasOwn(manifest?.devDependencies ?? {}, name);
}

function isWorkspace(manifests: ReadonlyMap<string, Manifest>, name: string): boolean {
  return [...manifests.values()].some((manifest) => manifest.name === name);
}

function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}
