/**
 * `npm test`: every test with real engines, then the plain line `N passed, N failed`.
 *
 *   npm test                          all
 *   npm test -- libs/config           the files whose path contains this
 *   CRONIUM_TEST_NEEDS=valkey,postgres npm test -- services/producer     without Docker
 */
import { spawn } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { countTests, type TestCount } from '../test/count.ts';
import { cleanUpAfter } from '../test/left-behind.ts';
import { newRunId, RUN_ID } from '../test/run.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const REPORT = join(ROOT, '.cronium', `test-report-${process.pid}.json`);

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  await mkdir(join(ROOT, '.cronium'), { recursive: true });
  const runId = newRunId();
  const exitCode = await runVitest(args, runId);
  await cleanUpAfter(runId);
  const count = await readCount(exitCode);
  process.stdout.write(`${count.passed} passed, ${count.failed} failed\n`);
  return count.failed > 0 ? 1 : 0;
}

function runVitest(args: readonly string[], runId: string): Promise<number> {
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${REPORT}`];
  const env = { ...process.env, [RUN_ID]: runId };
  const command = [vitest, 'run', ...reporters, ...args];
  const child = spawn(process.execPath, command, { cwd: ROOT, env, stdio: 'inherit' });
  // Ctrl-C reaches vitest by itself; this process waits for it, cleans up and counts.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  const { promise, resolve: ended } = Promise.withResolvers<number>();
  child.on('error', () => ended(1));
  child.on('close', (code) => ended(code ?? 1));
  return promise;
}

async function readCount(exitCode: number): Promise<TestCount> {
  try {
    return countTests(await readFile(REPORT, 'utf8'), exitCode);
  } catch (error) {
    process.stderr.write(
      `The test runner left no report: ${error instanceof Error ? error.message : error}\n`,
    );
    return { passed: 0, failed: 1 };
  } finally {
    await rm(REPORT, { force: true });
  }
}
