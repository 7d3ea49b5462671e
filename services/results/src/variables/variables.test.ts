import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { VariableView } from '@cronium/contracts';
import { createLogger } from '@cronium/telemetry';
import { testEnvironment } from '@cronium/testing';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { forgetRemoved, getVariable } from '../queries/variables.ts';
import { connectValkey } from '../queue/valkey.ts';
import { openService, type TestService } from '../test/service.ts';
import { VariableCache } from './cache.ts';
import { increment, put } from './changes.ts';
import { Variables } from './variables.ts';

let service: TestService;
let cache: VariableCache;
let name = { tenant: 'default', key: '' };

beforeAll(async () => {
  service = await openService();
  cache = new VariableCache(service.deps.valkey, service.deps.keys);
});
beforeEach(() => {
  name = { tenant: 'default', key: randomUUID() };
});
afterAll(() => service[Symbol.asyncDispose]());

const view = (version: number): VariableView => ({ key: name.key, value: version, version });
const neverLoaded = () => Promise.reject(new Error('the database was asked'));
const never = () => Promise.reject(new Error('this write fails'));

/** A write that others can look into: it has begun, and goes on when told. */
function writing(written: VariableView | undefined) {
  const begun = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const done = cache.write(name, async (begin) => {
    await begin();
    begun.resolve();
    await goOn.promise;
    return written;
  });
  return { begun: begun.promise, goOn: goOn.resolve, done };
}

test('a value is read once from the database, then from the cache; so is that there is none', async () => {
  for (const value of [view(1), undefined]) {
    name = { ...name, key: randomUUID() };
    expect(await cache.read(name, async () => value)).toEqual(value);
    expect(await cache.read(name, neverLoaded)).toEqual(value);
  }
});

test('a reader that was slow does not put the old value over a newer one', async () => {
  const loaded = Promise.withResolvers<VariableView>();
  const asked = Promise.withResolvers<void>();
  const slow = cache.read(name, () => {
    asked.resolve();
    return loaded.promise;
  });
  await asked.promise;
  await cache.write(name, async (begin) => {
    await begin();
    return view(2);
  });
  loaded.resolve(view(1));
  expect(await slow).toEqual(view(1));
  expect(await cache.read(name, neverLoaded)).toEqual(view(2));
});

test('while a write goes on nothing is kept, by readers from before it neither', async () => {
  const loaded = Promise.withResolvers<VariableView>();
  const slow = cache.read(name, () => loaded.promise);
  const write = writing(undefined);
  await write.begun;
  loaded.resolve(view(1));
  await slow;
  expect(await cache.read(name, async () => view(1))).toEqual(view(1));
  await expect(cache.read(name, neverLoaded)).rejects.toThrow('the database was asked');
  write.goOn();
  await write.done;
  expect(await cache.read(name, async () => undefined)).toBeUndefined();
});

test('a write whose mark was lost removes what was filled in meanwhile, and spares a later write', async () => {
  const { valkey, keys } = service.deps;
  const lost = writing(view(2));
  await lost.begun;
  const [place = ''] = await valkey.keys(`*:variable:*:${name.key}`);
  expect(place).toContain((await valkey.info('server')).match(/run_id:(\w+)/)?.[1]);
  expect(place.startsWith(keys.variable('', '', '').split(':')[0] ?? '-')).toBe(true);
  await valkey.del(place);
  await cache.read(name, async () => view(1));
  lost.goOn();
  await lost.done;
  expect(await cache.read(name, async () => view(2))).toEqual(view(2));
  const [first, second] = [writing(view(3)), writing(view(4))];
  await Promise.all([first.begun, second.begun]);
  first.goOn();
  await first.done;
  await expect(cache.read(name, neverLoaded)).rejects.toThrow();
  second.goOn();
  await second.done;
});

test('a write that fails leaves the cache usable, with what the database has', async () => {
  await cache.read(name, async () => view(1));
  const failing = cache.write(name, async (begin) => {
    await begin();
    return never();
  });
  await expect(failing).rejects.toThrow('this write fails');
  expect(await cache.read(name, async () => view(1))).toEqual(view(1));
  expect(await cache.read(name, neverLoaded)).toEqual(view(1));
});

test('after a write was answered every process reads it, whatever others read and write at the time', async () => {
  const log = createLogger({ service: 'results', level: 'silent' });
  const other = connectValkey(testEnvironment().valkeyUrl, log);
  await new Promise((resolve) => other.once('ready', resolve));
  const { db, keys, variables } = service.deps;
  const processes = [variables, new Variables(db, new VariableCache(other, keys))];
  let answered = 0;
  let writing = true;
  const write = async (process: Variables) => {
    for (let n = 0; n < 60; n++) {
      const { version } = await process.change(name, increment(1));
      answered = Math.max(answered, version);
    }
  };
  const read = async (process: Variables) => {
    let reads = 0;
    for (; writing; reads++) {
      const least = answered;
      expect((await process.get(name))?.version ?? 0).toBeGreaterThanOrEqual(least);
    }
    return reads;
  };
  try {
    const readers = [...processes, ...processes].map(read);
    await Promise.all(processes.map(write)).finally(() => {
      writing = false;
    });
    expect(Math.min(...(await Promise.all(readers)))).toBeGreaterThan(0);
    for (const process of processes) {
      expect(await process.get(name)).toEqual({ key: name.key, value: 120, version: 120 });
    }
  } finally {
    other.disconnect();
  }
});

test('without Valkey variables are read from the database, and not written', async () => {
  const log = createLogger({ service: 'results', level: 'silent' });
  const gone = connectValkey(testEnvironment().valkeyUrl, log);
  await new Promise((resolve) => gone.once('ready', resolve));
  const { db, keys, variables } = service.deps;
  const lonely = new Variables(db, new VariableCache(gone, keys));
  await variables.change(name, put('before', undefined));
  expect(await lonely.get(name)).toMatchObject({ value: 'before' });
  const ended = once(gone, 'end');
  gone.disconnect();
  expect(await lonely.get(name)).toMatchObject({ value: 'before' });
  await ended;
  await expect(lonely.change(name, put('after', undefined))).rejects.toThrow('Connection is closed');
  expect(await getVariable(db, name)).toMatchObject({ value: 'before' });
});

test('a Valkey that refused for a moment to say which one it is, is asked again', async () => {
  const { valkey, keys } = service.deps;
  const user = `variables-${randomUUID()}`;
  await valkey.acl('SETUSER', user, 'on', '>secret', '~*', '&*', '+@all');
  const url = new URL(testEnvironment().valkeyUrl);
  Object.assign(url, { username: user, password: 'secret' });
  const limited = connectValkey(url.href, createLogger({ service: 'results', level: 'silent' }));
  try {
    await new Promise((resolve) => limited.once('ready', resolve));
    await valkey.acl('SETUSER', user, '-info');
    const asking = new VariableCache(limited, keys);
    const write = () =>
      asking.write(name, async (begin) => {
        await begin();
        return view(1);
      });
    await expect(write()).rejects.toThrow('NOPERM');
    await valkey.acl('SETUSER', user, '+info');
    expect(await write()).toEqual(view(1));
    expect(await cache.read(name, neverLoaded)).toEqual(view(1));
  } finally {
    limited.disconnect();
    await valkey.acl('DELUSER', user);
  }
});

test('a request that is sent again changes nothing, and gets the answer of the first time', async () => {
  const { variables } = service.deps;
  const request = `job_000000000000.1 ${randomUUID()}`;
  expect(await variables.change(name, increment(5), { request })).toMatchObject({ value: 5, version: 1 });
  expect(await variables.change(name, increment(1))).toMatchObject({ value: 6, version: 2 });
  expect(await variables.change(name, increment(5), { request })).toMatchObject({ value: 5, version: 1 });
  expect(await variables.get(name)).toMatchObject({ value: 6 });
  const compared = { request: `${request}b` };
  expect(await variables.change(name, put('x', 2), compared)).toMatchObject({ version: 3 });
  expect(await variables.change(name, put('x', 2), compared)).toMatchObject({ version: 3 });
});

test('a version is never used again: a variable that is made anew goes on from where the last one ended', async () => {
  const { variables, db } = service.deps;
  for (const value of ['a', 'b']) await variables.change(name, put(value, undefined));
  await variables.remove(name);
  await expect(variables.change(name, put('old', 2))).rejects.toMatchObject({ status: 409 });
  expect(await variables.change(name, put('c', 0))).toMatchObject({ version: 3 });
  await expect(variables.change(name, put('old', 2))).rejects.toMatchObject({ status: 409 });
  await variables.remove(name);
  await forgetRemoved(db, Date.now() - 60_000);
  expect(await variables.change(name, increment(1))).toMatchObject({ value: 1, version: 4 });
  await variables.remove(name);
  await forgetRemoved(db, Date.now() + 60_000);
  expect(await variables.change(name, increment(1))).toMatchObject({ version: 1 });
});

test('a removal that is sent again spares what was made meanwhile', async () => {
  const { variables } = service.deps;
  const request = `job_000000000000.1 ${randomUUID()}`;
  await variables.change(name, put('first', undefined));
  await variables.remove(name, { request });
  await variables.change(name, put('second', undefined));
  await variables.remove(name, { request });
  expect(await variables.get(name)).toMatchObject({ value: 'second' });
  expect(await getVariable(service.deps.db, name)).toMatchObject({ value: 'second' });
});
