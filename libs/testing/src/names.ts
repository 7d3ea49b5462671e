import { randomBytes } from 'node:crypto';

/** A key prefix that no other test uses: `{t-3f9a1c…}`. */
export function testPrefix(): string {
  return `{t-${randomBytes(6).toString('hex')}}`;
}

/** A node name that no other test uses. Label what a test creates with it, so that {@link leakCheck} finds it. */
export function testNodeName(): string {
  return `t-${randomBytes(6).toString('hex')}`;
}
