import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { testEnvironment, testPrefix } from '@cronium/testing';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { ValkeyClient } from './valkey.ts';

const url = () => testEnvironment().valkeyUrl;
const client = (target = url(), timeoutMs = 5000) => new ValkeyClient(target, { timeoutMs });

test('commands may be called all at once, and each gets its own reply', async () => {
  const valkey = client();
  const admin = new Redis(url());
  const key = `${testPrefix()}:there`;
  try {
    await admin.set(key, 'x');
    const asked = Array.from({ length: 500 }, (_, i) => valkey.command('EXISTS', i % 2 ? key : `${key}${i}`));
    expect(await Promise.all(asked)).toEqual(asked.map((_, i) => (i % 2 ? '1' : '0')));
    expect(await valkey.command('PING')).toBe('PONG');
  } finally {
    await admin.del(key);
    admin.disconnect();
    valkey.close();
  }
});

test('an error reply is an error, and the connection goes on', async () => {
  const valkey = client();
  await expect(valkey.command('NONSENSE')).rejects.toMatchObject({
    code: 'VALKEY',
    message: /unknown command/,
  });
  expect(await valkey.command('PING')).toBe('PONG');
  valkey.close();
});

test('it logs in, and selects the database, before the first command', async () => {
  const admin = new Redis(url());
  const user = `t-${testPrefix().slice(1, -1)}`;
  const rules = ['on', '>p@ss/w:rd', '~*', '+ping', '+exists', '+select', '+auth'];
  try {
    await admin.call('ACL', 'SETUSER', user, ...rules);
    const target = new URL(url());
    target.username = user;
    target.password = encodeURIComponent('p@ss/w:rd');
    target.pathname = '/1';
    const valkey = client(target.href);
    expect(await valkey.command('EXISTS', 'a')).toBe('0');
    await expect(valkey.command('FLUSHALL')).rejects.toThrow(/NOPERM/);
    valkey.close();
    target.password = 'wrong';
    await expect(client(target.href).command('PING')).rejects.toThrow(/WRONGPASS|NOAUTH/);
  } finally {
    await admin.call('ACL', 'DELUSER', user);
    admin.disconnect();
  }
});

test('a server that is not there, or does not answer, is an error; the next command connects anew', async () => {
  await expect(client('redis://127.0.0.1:1').command('PING')).rejects.toThrow(/ECONNREFUSED/);
  let silent = true;
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () => silent || socket.write('+PONG\r\n'));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const valkey = client(`redis://127.0.0.1:${(server.address() as AddressInfo).port}`, 100);
  await expect(valkey.command('PING')).rejects.toThrow(/no answer in 100 ms/);
  silent = false;
  expect(await valkey.command('PING')).toBe('PONG');
  valkey.close();
  server.close();
});

test('an answer that nobody asked for ends the connection', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.write('+PONG\r\n+PONG\r\n'));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const closed = once(server, 'connection').then(([socket]) => once(socket, 'close'));
  const valkey = client(`redis://127.0.0.1:${(server.address() as AddressInfo).port}`);
  expect(await valkey.command('PING')).toBe('PONG');
  await closed;
  server.close();
});
