import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { releaseDeadSubnets } from '@cronium/testing';

const ROOT = resolve(import.meta.dirname, '../..');

/** The test runner and the engines that it starts carry the run's id under this name in their environment. */
export const RUN_ID = 'TEST_RUN';

/** A name for one test run. */
export function newRunId(): string {
  return randomBytes(3).toString('hex');
}

/** Where a run keeps what it needs. */
export interface RunFolders {
  /** The engines' data. */
  readonly data: string;
  /** The TMPDIR of the tests. Sockets go here, whose paths may have 107 bytes: so not below the checkout. */
  readonly temporary: string;
  /** A file that names the Docker engine of the run. */
  readonly dockerHost: string;
}

/** The folders of a run, by its id alone. */
export function foldersOf(runId: string): RunFolders {
  const data = join(ROOT, '.cronium', `test-${runId}`);
  return { data, temporary: `/tmp/cronium-test-${runId}`, dockerHost: join(data, 'docker-host') };
}

/** Where Node.js keeps what it has made of the sources: it is the same at each of the many starts of a run, and the next. */
export const COMPILED: string = join(ROOT, '.cronium', 'compiled');

/** Makes them. */
export async function createFolders(folders: RunFolders): Promise<RunFolders> {
  await mkdir(folders.data, { recursive: true });
  await mkdir(folders.temporary, { recursive: true });
  return folders;
}

/** Removes them, and what dead processes of any run had claimed. */
export async function removeFolders({ data, temporary }: RunFolders): Promise<void> {
  const options = { recursive: true, force: true, maxRetries: 5 };
  await rm(data, options);
  await rm(temporary, options);
  releaseDeadSubnets();
}

/** Which Docker engine the run used; `undefined` when none, or when its folders are gone. */
export async function dockerHostOf({ dockerHost }: RunFolders): Promise<string | undefined> {
  return readFile(dockerHost, 'utf8').catch(() => undefined);
}
