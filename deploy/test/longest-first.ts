import { join, relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * The files that take longest, in this order, and those that mostly wait beside those that mostly compute: begun late,
 * one of them would run on alone.
 */
const LONGEST = [
  'deploy/test/e2e/runtime.test.ts',
  'deploy/test/e2e/outages.test.ts',
  'deploy/test/e2e/crash.test.ts',
  'deploy/test/e2e/two-hosts.test.ts',
  'services/worker/src/sandbox/docker-faults.test.ts',
  'services/worker/src/sandbox/docker-crowd.test.ts',
  'deploy/chaos/round.test.ts',
  'deploy/chaos/failover.test.ts',
];

/** Vitest's order, by size, when it knows nothing of earlier runs, but with {@link LONGEST} first. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const root = join(import.meta.dirname, '../..');
    const rank = ({ moduleId }: TestSpecification) => {
      const index = LONGEST.indexOf(relative(root, moduleId));
      return index < 0 ? LONGEST.length : index;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}
