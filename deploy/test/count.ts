import { z } from 'zod';

/** How many tests of a run passed and failed. */
export interface TestCount {
  readonly passed: number;
  readonly failed: number;
}

const report = z.object({
  numPassedTests: z.int(),
  testResults: z.array(
    z.object({
      status: z.string(),
      assertionResults: z.array(z.object({ status: z.string() })),
    }),
  ),
});

/**
 * Counts the tests in vitest's JSON report. A file that could not be loaded counts as a failed test, and so does a runner
 * that failed apart from any test (an unhandled error, something left behind) or ran none.
 */
export function countTests(json: string, exitCode: number): TestCount {
  const { numPassedTests: passed, testResults } = report.parse(JSON.parse(json));
  const failed = testResults
    .map(({ status, assertionResults }) => {
      const tests = assertionResults.filter((test) => test.status === 'failed').length;
      return status === 'failed' ? Math.max(1, tests) : tests;
    })
    .reduce((sum, tests) => sum + tests, 0);
  const ranWell = exitCode === 0 && passed > 0;
  return { passed, failed: ranWell ? failed : Math.max(1, failed) };
}
