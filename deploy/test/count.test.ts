import { describe, expect, it } from 'vitest';
import { countTests } from './count.ts';

function report(numPassedTests: number, files: { status: string; tests: string[] }[]): string {
  const testResults = files.map(({ status, tests }) => ({
    status,
    assertionResults: tests.map((one) => ({ status: one })),
  }));
  return JSON.stringify({ numPassedTests, testResults });
}

describe('the count of a run', () => {
  it('is that of the tests', () => {
    const files = [
      { status: 'passed', tests: ['passed', 'skipped'] },
      { status: 'failed', tests: ['failed', 'failed', 'passed'] },
    ];
    expect(countTests(report(2, files), 1)).toEqual({ passed: 2, failed: 2 });
    expect(countTests(report(1, files.slice(0, 1)), 0)).toEqual({ passed: 1, failed: 0 });
  });

  it('counts a file that could not be loaded as one failure', () => {
    expect(countTests(report(5, [{ status: 'failed', tests: [] }]), 1)).toEqual({ passed: 5, failed: 1 });
  });

  it('is never clean when the runner failed apart from its tests', () => {
    expect(countTests(report(5, []), 1)).toEqual({ passed: 5, failed: 1 });
  });

  it('is never clean when nothing ran', () => {
    expect(countTests(report(0, []), 0)).toEqual({ passed: 0, failed: 1 });
  });

  it('throws at a report that is cut off', () => {
    expect(() => countTests('{"numPassedTests": 3, "testRe', 0)).toThrow();
  });
});
