import { expect, test } from 'vitest';
import { type HostFacts, recentHostFacts } from './host.ts';

test('the host is looked at once for the many jobs that end in one moment', () => {
  let at = 0;
  let looks = 0;
  const facts = recentHostFacts(
    (): HostFacts => ({ load1: ++looks }),
    () => at,
  );
  expect([facts(), facts()]).toEqual([{ load1: 1 }, { load1: 1 }]);
  at = 101;
  expect(facts()).toEqual({ load1: 2 });
});
