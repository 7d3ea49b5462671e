import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { releaseDeadSubnets, type TestEnvironment } from '@cronium/testing';
import type { TestProject } from 'vitest/node';
import { bootstrapContext } from '../local/bootstrap.ts';
import { bringEngines, parseNeeds } from './engines.ts';

/**
 * Runs once before all tests: brings real engines, offers them to the test files (`testEnvironment()`), and returns
 * the function that stops those that were started here and removes their data.
 */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const { env } = process;
  const report = (line: string) => process.stdout.write(`${line}\n`);
  const context = bootstrapContext({ env, report });
  const folder = join(context.home, `test-${process.pid}`);
  const stack = new AsyncDisposableStack();
  stack.defer(releaseDeadSubnets);
  stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  try {
    const engines: Partial<TestEnvironment> = await bringEngines({
      context,
      folder,
      stack,
      needs: parseNeeds(env.CRONIUM_TEST_NEEDS),
    });
    project.provide('cronium', engines);
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
  return () => stack.disposeAsync();
}
