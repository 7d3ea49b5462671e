import { writeFile } from 'node:fs/promises';
import type { TestEnvironment } from '@cronium/testing';
import type { TestProject } from 'vitest/node';
import { bootstrapContext } from '../local/bootstrap.ts';
import { bringBrowser, bringDocker, bringStores, parseNeeds } from './engines.ts';
import { leftBehind } from './left-behind.ts';
import {
  COMPILED,
  createFolders,
  foldersOf,
  newRunId,
  RUN_ID,
  type RunFolders,
  removeFolders,
} from './run.ts';

/**
 * Runs once before all tests: brings real engines, offers them to the test files (`testEnvironment()`), and returns
 * the function that stops those that were started here and removes their data. That one fails the run when a test left
 * something behind.
 */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const { env } = process;
  const { [RUN_ID]: runId = newRunId() } = env;
  // Docker's engine, if it must be started, stays: it must not look like a part of this run.
  delete env[RUN_ID];
  const folders = await createFolders(foldersOf(runId));
  const engines = new AsyncDisposableStack();
  try {
    const environment = await bring({ runId, folders, engines });
    project.provide('cronium', environment);
    return () => tearDown({ runId, folders, engines });
  } catch (error) {
    await engines.disposeAsync();
    await removeFolders(folders);
    throw error;
  }
}

interface Run {
  readonly runId: string;
  readonly folders: RunFolders;
  readonly engines: AsyncDisposableStack;
}

async function bring({ runId, folders, engines }: Run): Promise<Partial<TestEnvironment>> {
  const { env } = process;
  const needs = parseNeeds(env.CRONIUM_TEST_NEEDS);
  const context = bootstrapContext({ env, report: (line) => process.stdout.write(`${line}\n`) });
  const docker = await bringDocker(context, needs);
  if (docker.dockerHost !== undefined) await writeFile(folders.dockerHost, docker.dockerHost);
  env[RUN_ID] = runId;
  env.TMPDIR = folders.temporary;
  env.NODE_COMPILE_CACHE = COMPILED;
  const stores = await bringStores({ context, needs, stack: engines, folder: folders.data });
  return { ...docker, ...stores, ...(await bringBrowser(context, needs)), runId };
}

async function tearDown({ runId, folders, engines }: Run): Promise<void> {
  const left = await leftBehind({ runId, folders });
  await engines.disposeAsync();
  await removeFolders(folders);
  if (left.length > 0)
    throw new Error(`the tests left behind:\n${left.map((one) => `  - ${one}`).join('\n')}`);
}
