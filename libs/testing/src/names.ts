import { randomBytes } from 'node:crypto';
import { testEnvironment } from './environment.ts';

/** A key prefix that no other test uses: `{t-3f9a1c…}`. */
export function testPrefix(): string {
  return `{t-${randomBytes(6).toString('hex')}}`;
}

/**
 * A node name that no other test uses. Label what a test creates with it: the run fails when something with such a label
 * is left at its end.
 */
export function testNodeName(): string {
  return `${nodeNamesOf(testEnvironment().runId)}${randomBytes(4).toString('hex')}`;
}

/** What the node names of a run begin with. */
export function nodeNamesOf(runId: string): string {
  return `t-${runId}-`;
}
