import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { createLogger } from '@cronium/telemetry';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { errorHandler } from '../http/errors.ts';
import { siteRoutes } from './site.ts';

const SCRIPT = 'export const hello = 1;\n'.repeat(200);
let folder: string;
let site: ReturnType<typeof siteRoutes>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'site-'));
  await mkdir(join(folder, 'dist/assets'), { recursive: true });
  await writeFile(join(folder, 'dist/index.html'), '<!doctype html><title>Cronium Fleet</title>');
  await writeFile(join(folder, 'dist/assets/index-a1b2.js'), SCRIPT);
  await writeFile(join(folder, 'secret.txt'), 'outside');
  site = siteRoutes({ dashboardDir: join(folder, 'dist') });
  site.onError(errorHandler(createLogger({ service: 'results', level: 'silent' })));
});
afterAll(() => rm(folder, { recursive: true }));

test.each(['/', '/jobs', '/jobs/job_abc', '/batches/batch_x', '/traces/0af7', '/workers', '/settings/keys'])(
  '%s is the dashboard’s page, asked for anew each time, under a strict policy',
  async (path) => {
    const response = await site.request(path);
    expect(await response.text()).toContain('Cronium Fleet');
    expect(response.headers.get('cache-control')).toBe('no-cache');
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toContain('unsafe');
  },
);

test('built files are kept for ever and sent compressed as the browser takes it', async () => {
  const get = (encoding: string) =>
    site.request('/assets/index-a1b2.js', { headers: { 'accept-encoding': encoding } });
  const packed = await get('gzip, deflate, br');
  expect(packed.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
  expect(packed.headers.get('content-encoding')).toBe('br');
  expect(brotliDecompressSync(await packed.arrayBuffer()).toString()).toBe(SCRIPT);
  expect(gunzipSync(await (await get('gzip')).arrayBuffer()).toString()).toBe(SCRIPT);
  const plain = await get('identity');
  expect([plain.headers.get('content-encoding'), await plain.text()]).toEqual([null, SCRIPT]);
});

test.each(['/assets/missing.js', '/nowhere', '/..%2fsecret.txt', '/assets/..%2f..%2fsecret.txt'])(
  '%s is not there',
  async (path) => expect((await site.request(path)).status).toBe(404),
);

test('a browser at an address that there is not gets the page that says so, a program a problem', async () => {
  const ask = async (path: string, accept: string) => {
    const response = await site.request(path, { headers: { accept } });
    return [response.status, (await response.text()).includes('<title>Cronium Fleet')];
  };
  expect(await ask('/nowhere', 'text/html,*/*;q=0.8')).toEqual([404, true]);
  expect(await ask('/nowhere', '*/*')).toEqual([404, false]);
  expect(await ask('/assets/missing.js', 'text/html')).toEqual([404, false]);
});

test('without a build the page says how to make one', async () => {
  const empty = siteRoutes({ dashboardDir: join(folder, 'none') });
  expect(await (await empty.request('/jobs')).text()).toContain('npm run dashboard');
});
