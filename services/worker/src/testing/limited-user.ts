import { testEnvironment } from '@cronium/testing';
import type { TestFleet } from './fleet.ts';

/** A user of the test's Valkey from whom commands can be taken away. */
export async function limitedUser(fleet: TestFleet) {
  const name = `limited-${fleet.prefix.replace(/\W/g, '')}`;
  const set = (...rules: readonly string[]) => fleet.valkey.call('ACL', 'SETUSER', name, ...rules);
  await set('on', '>password', '~*', '&*', '+@all');
  const url = new URL(testEnvironment().valkeyUrl);
  url.username = name;
  url.password = 'password';
  return {
    valkeyUrl: url.href,
    set,
    [Symbol.asyncDispose]: async () => void (await fleet.valkey.call('ACL', 'DELUSER', name)),
  };
}
