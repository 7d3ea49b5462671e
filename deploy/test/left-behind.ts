import { readdir } from 'node:fs/promises';
import {
  eventually,
  leaksOfNodes,
  nodeNamesOf,
  RUN_VARIABLE,
  removeAllOfNodes,
  testDocker,
} from '@cronium/testing';
import type Docker from 'dockerode';
import { isMiscounted, SHARED_NETWORK } from './e2e/shared-network.ts';
import { processesWith } from './processes.ts';
import { dockerHostOf, foldersOf, RUN_ID, type RunFolders, removeFolders } from './run.ts';

/** What the tests of a run should have cleaned up and did not: Docker objects, processes, temporary files. */
export async function leftBehind(run: {
  readonly runId: string;
  readonly folders: RunFolders;
}): Promise<string[]> {
  const { runId, folders } = run;
  const dockerHost = await dockerHostOf(folders);
  const files = await readdir(folders.temporary);
  const processes = await processesWith(RUN_VARIABLE, runId);
  return [
    ...(dockerHost === undefined ? [] : await leftInDocker(testDocker(dockerHost), runId)),
    ...processes.map(({ pid, command }) => `process ${pid}: ${command}`),
    ...files.map((file) => `temporary file ${folders.temporary}/${file}`),
  ];
}

/** A shared network that Docker miscounts stays: the fleet whose it was has shown that nothing is on it. */
async function leftInDocker(docker: Docker, runId: string): Promise<string[]> {
  const left = await leaksOfNodes(docker, nodeNamesOf(runId));
  const ofNetwork = `network ${SHARED_NETWORK}`;
  const isLeft = await Promise.all(
    left.map(
      async (one) =>
        !(one.startsWith(ofNetwork) && (await isMiscounted(docker, one.slice('network '.length)))),
    ),
  );
  return left.filter((_, index) => isLeft[index]);
}

/**
 * Cleans up after a test runner that is gone, also one that was killed and so stopped nothing: ends the run's
 * processes by id, removes its Docker objects and its folders. Does nothing after a run that ended well.
 */
export async function cleanUpAfter(runId: string): Promise<void> {
  await eventually(() => endProcesses(runId), { what: `no process of test run ${runId} is left` });
  const folders = foldersOf(runId);
  const dockerHost = await dockerHostOf(folders);
  if (dockerHost !== undefined) await removeAllOfNodes(testDocker(dockerHost), nodeNamesOf(runId));
  await removeFolders(folders);
}

/** Are there none? Those that there are get SIGKILL, and it waits until their ids are gone. */
async function endProcesses(runId: string): Promise<boolean> {
  const found = [...(await processesWith(RUN_VARIABLE, runId)), ...(await processesWith(RUN_ID, runId))];
  for (const { pid } of found) signalProcess(pid, 'SIGKILL');
  for (const { pid } of found) {
    await eventually(() => !signalProcess(pid, 0), { what: `process ${pid} has ended`, everyMs: 5 });
  }
  return found.length === 0;
}

/** Did the process exist? */
function signalProcess(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}
