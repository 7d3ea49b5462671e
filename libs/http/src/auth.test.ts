import { expect, test } from 'vitest';
import { BootstrapKeys, bearerToken, hashApiKey, requireRole } from './auth.ts';

test('a key of the configuration is known by its hash, whichever stands first', () => {
  const keys = new BootstrapKeys({ ci: 'one', people: 'two' });
  expect(keys.find(hashApiKey('one'))).toEqual({ name: 'ci', tenant: 'default', role: 'admin' });
  expect(keys.find(hashApiKey('two'))?.name).toBe('people');
  expect(keys.find(hashApiKey('three'))).toBeUndefined();
  expect(new BootstrapKeys({}).find(hashApiKey('one'))).toBeUndefined();
});

test('a bearer token is read in the forms that clients send, and nothing else', () => {
  expect(bearerToken('Bearer abc')).toBe('abc');
  expect(bearerToken('bearer   abc')).toBe('abc');
  for (const header of [undefined, '', 'Bearer ', 'Basic abc', 'Bearer a b', 'xBearer abc'])
    expect(bearerToken(header), header).toBeUndefined();
});

test('a role is enough for itself and for what is below it', () => {
  const key = (role: 'reader' | 'submitter' | 'admin') => ({ name: 'screen', tenant: 'default', role });
  requireRole(key('submitter'), 'submitter');
  requireRole(key('admin'), 'reader');
  expect(() => requireRole(key('reader'), 'submitter')).toThrow(/"screen" has the role reader/);
  expect(() => requireRole(key('submitter'), 'admin')).toThrow(expect.objectContaining({ status: 403 }));
});
