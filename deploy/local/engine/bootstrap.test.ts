import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProcess } from '@cronium/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { plannedPackages } from './apt.ts';
import type { BootstrapContext } from './context.ts';
import { bootstrapContext } from './context.ts';
import { ensureDocker, refusalOf } from './docker.ts';
import { withLock } from './lock.ts';
import { parseOsRelease } from './os-release.ts';
import { ensurePostgres } from './postgres.ts';
import { until } from './run.ts';
import { ensureValkey } from './valkey.ts';

const HOLDER = join(import.meta.dirname, 'fixtures/lock-holder.ts');

let context: BootstrapContext;
let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cronium-bootstrap-'));
  context = bootstrapContext({ env: {}, report: () => {}, home });
});

afterEach(() => {
  rmSync(home, { recursive: true, force: true });
});

describe('os-release', () => {
  test.each([
    ['ID=debian\nVERSION_CODENAME=bookworm\nPRETTY_NAME="Debian 12"\n', true, 'bookworm', 'Debian 12'],
    ['ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n', true, 'noble', 'ubuntu'],
    ['ID=\'linuxmint\'\nID_LIKE="ubuntu debian"\n', true, '', 'linuxmint'],
    ['ID=fedora\nPRETTY_NAME="Fedora 42"\n', false, '', 'Fedora 42'],
    ['', false, '', 'unknown'],
  ])('%j', (text, debian, codename, name) => {
    expect(parseOsRelease(text)).toMatchObject({ debian, codename, name });
  });
});

test('the plan of an installation gives the files that a download writes', () => {
  const plan = [
    'NOTE: This is only a simulation!',
    'Inst libc6 (2.36-9 Debian:12.15/oldstable [amd64]) []',
    'Inst libcap2 (1:2.66-4+b1 Debian:12.15/oldstable, Debian-Security:12/oldstable-security [amd64])',
    'Inst netbase (6.4 Debian:12.15/oldstable [all])',
    'Conf libc6 (2.36-9 Debian:12.15/oldstable [amd64])',
  ].join('\n');
  expect(plannedPackages(plan).map((item) => item.file)).toEqual([
    'libc6_2.36-9_amd64.deb',
    'libcap2_1%3a2.66-4+b1_amd64.deb',
    'netbase_6.4_all.deb',
  ]);
});

describe('the lock', () => {
  test('lets one piece of work run at a time', async () => {
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      inside += 1;
      most = Math.max(most, inside);
      await new Promise((resolve) => setImmediate(resolve));
      inside -= 1;
    };
    await Promise.all(Array.from({ length: 5 }, () => withLock(context, 'work', work)));
    expect(most).toBe(1);
  });

  test('of a process that died is taken over, by one of those that wait at a time', async () => {
    const start = (what: string, ready: RegExp) =>
      startProcess({ script: HOLDER, args: [home, what], ready, timeoutMs: 60_000 });
    await using holder = await start('hold', /^held$/);
    const waiting = await Promise.all(
      Array.from({ length: 4 }, () => start('count', /^Waiting for another/)),
    );
    await holder.kill('SIGKILL');
    const ends = await Promise.all(waiting.map(({ exited }) => exited));
    expect(ends.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    expect(readFileSync(join(home, 'count'), 'utf8')).toBe('4');
  });

  test('is free again after an error', async () => {
    const fail = withLock(context, 'work', () => Promise.reject(new Error('no')));
    await expect(fail).rejects.toThrow('no');
    expect(await withLock(context, 'work', async () => 'done')).toBe('done');
  });
});

test('an engine that does not answer is named, with what to do', async () => {
  const given = { ...context, env: { DOCKER_HOST: `unix://${home}/none.sock` } };
  await expect(ensureDocker(given)).rejects.toMatchObject({
    code: 'MISSING',
    message: expect.stringContaining('unset it to use the engine of this machine'),
  });
});

test.each([
  ['connect EACCES /var/run/docker.sock', true, /^Your user may not use.*group "docker"/s],
  ['connect ECONNREFUSED /var/run/docker.sock', true, /^No Docker engine answers.*systemctl start docker/s],
  ['connect ENOENT /var/run/docker.sock', false, /^No Docker engine answers.*once as root/s],
])('who is not root is told what to do about %s', (problem, installed, text) => {
  const machine = { installed, debian: true, name: 'Debian' };
  expect(refusalOf(problem, { ...machine, root: false })?.message).toMatch(text);
  expect(refusalOf(problem, { ...machine, root: true })).toBeUndefined();
});

test('services that the environment names are used as they are', async () => {
  const env = {
    CRONIUM_VALKEY_URL: 'redis://valkey.example:6379',
    CRONIUM_DATABASE_URL: 'postgres://db.example/x',
  };
  const given = { ...context, env };
  expect(await ensureValkey(given)).toMatchObject({ url: env.CRONIUM_VALKEY_URL, origin: 'environment' });
  expect(await ensurePostgres(given)).toMatchObject({ url: env.CRONIUM_DATABASE_URL, origin: 'environment' });
});

test('a PostgreSQL that was killed comes back with its data folder at the same address', async () => {
  const withPath = { ...context, env: { PATH: process.env.PATH } };
  await using postgres = await ensurePostgres(withPath, { dir: join(home, 'postgres') });
  const first = postgres.pid;
  process.kill(first ?? 0, 'SIGKILL');
  await postgres.exited();
  expect(postgres.pid).toBeUndefined();
  await postgres.start();
  expect(postgres.pid).not.toBe(first);
  await postgres.stop();
  expect(postgres.pid).toBeUndefined();
});

test('waiting for something that does not happen ends with its name', async () => {
  await expect(until('The moon', () => false, { timeoutMs: 1, everyMs: 1 })).rejects.toThrow(
    /^The moon did not happen/,
  );
});
