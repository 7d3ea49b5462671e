import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What `.cronium/local.json` says of a local fleet that is ready; for tools and people. */
export interface LocalFleetFile {
  readonly producerUrl: string;
  readonly resultsUrl: string;
  readonly apiKey: string;
  readonly dashboardUrl: string;
  readonly valkeyUrl: string;
  readonly databaseUrl: string;
  readonly dockerHosts: readonly string[];
  readonly processes: {
    readonly producer: { readonly pid: number };
    readonly results: { readonly pid: number };
    readonly workers: readonly { readonly node: string; readonly pid: number }[];
  };
}

/** A process and what tells it apart from a later one with the same id. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly start: string | undefined;
}

/** The stages of a shutdown, in their order. */
export const STAGES = ['worker', 'producer', 'results', 'store'] as const;
export type Stage = (typeof STAGES)[number];

/** One of the fleet's processes. */
export interface FleetProcess extends ProcessIdentity {
  readonly name: string;
  readonly stage: Stage;
}

/** The Docker objects that go when the fleet ends. */
export interface FleetDocker {
  readonly host: string;
  readonly network: string;
  readonly nodes: readonly string[];
}

/** `.cronium/supervisor.json`: all that is needed to end a fleet whose supervisor was killed. */
export interface SupervisorFile {
  readonly supervisor: ProcessIdentity;
  readonly guard: ProcessIdentity | null;
  readonly processes: readonly FleetProcess[];
  readonly docker: readonly FleetDocker[];
  /** Where http jobs may reach a web server of the demo; null before the network is known. */
  readonly demo: { readonly host: string; readonly port: number } | null;
}

export const localFile = (home: string): string => join(home, 'local.json');
export const supervisorFile = (home: string): string => join(home, 'supervisor.json');

/** Replaces a file as a whole, so that a reader never sees half of it; only this user may read it. */
export function writeJson(path: string, value: unknown): void {
  writeText(path, JSON.stringify(value, null, 2));
}

/** Reads a file of this module; undefined when it is absent or unreadable, as after a crash of the machine. */
export function readJson<T>(path: string): T | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export function removeFile(path: string): void {
  rmSync(path, { force: true });
}

/** A secret that is made once and kept in a file that only this user may read. */
function keptSecret(path: string, make: () => string): string {
  if (!existsSync(path)) writeText(path, make());
  chmodSync(path, 0o600);
  return readFileSync(path, 'utf8').trim();
}

function writeText(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const partial = `${path}.${process.pid}.partial`;
  writeFileSync(partial, `${text}\n`, { mode: 0o600 });
  renameSync(partial, path);
}

/** The key with which local tools call the API. */
export function keptApiKey(home: string): string {
  return keptSecret(join(home, 'api-key'), () => `ck_${randomBytes(24).toString('base64url')}`);
}

/** The key that seals stored secrets. */
export function keptSecretsKey(home: string): string {
  return keptSecret(join(home, 'secrets-key'), () => randomBytes(32).toString('base64'));
}
