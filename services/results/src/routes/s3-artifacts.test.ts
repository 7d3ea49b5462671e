import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newJobId } from '@cronium/contracts';
import { startProcess, type TestProcess } from '@cronium/testing';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { ingestAttempts } from '../ingest/attempts.ts';
import { payloadOf, updateOf } from '../test/fleet.ts';
import { bodyOf, openService, type TestService } from '../test/service.ts';
import { s3Artifacts } from './s3-artifacts.ts';

const BUCKET = 'artifacts';
const CAP = 2_000_000;

let folder: string;
let server: TestProcess;
let endpoint: string;
let service: TestService;
const stack = new AsyncDisposableStack();
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 's3-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const args = ['-d', folder, '-a', '127.0.0.1', '-p', '0', '--configure-bucket', BUCKET];
  const script = join(import.meta.dirname, '../test/s3-server.mjs');
  server = stack.use(await startProcess({ script, args, ready: /listening on (127\.0\.0\.1:\d+)/ }));
  endpoint = `http://${server.ready?.[1]}`;
  service = stack.use(
    await openService({
      env: {
        CRONIUM_ARTIFACTS_S3_BUCKET: BUCKET,
        CRONIUM_ARTIFACTS_S3_ENDPOINT: endpoint,
        CRONIUM_ARTIFACT_MAX_BYTES: String(CAP),
      },
    }),
  );
});
beforeEach(() => credentials('S3RVER', 'S3RVER'));
afterAll(async () => {
  vi.unstubAllEnvs();
  await stack.disposeAsync();
});

/** Where the AWS SDK finds them. */
function credentials(id: string, key: string): void {
  vi.stubEnv('AWS_ACCESS_KEY_ID', id);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', key);
}

const store = (where: { bucket?: string; endpoint?: string } = {}) =>
  s3Artifacts({ bucket: BUCKET, region: 'us-east-1', endpoint, ...where }, CAP);

async function read(s3: ReturnType<typeof store>, key: string): Promise<Buffer | undefined> {
  const stream = await s3.get(key);
  return stream && Buffer.from(await new Response(stream).arrayBuffer());
}

test.each([
  ['a plain name', 'out/a.bin', Buffer.from([0, 1, 2, 255])],
  ['signs that URLs know', 'out/a b+ü&c?d#e%2e%2e=f.bin', Buffer.from('x')],
  ['quotes, stars, tildes', `o'u"t*/(a)~!.$,;:@`, Buffer.from('x')],
  ['more than one packet', 'large', Buffer.alloc(CAP, 'abc')],
  ['nothing in it', 'empty', Buffer.alloc(0)],
  ['a longer path than S3 has keys for', `${'deep/'.repeat(200)}${'ü'.repeat(24)}`, Buffer.from('x')],
])('%s: kept, read byte for byte, written over, removed', async (_, path, bytes) => {
  const s3 = store();
  const key = `${newJobId()}.1/${path}`;
  expect(await read(s3, key)).toBeUndefined();
  expect(await s3.put(key, Buffer.from('an earlier one'))).toBe(true);
  expect(await s3.put(key, bytes)).toBe(true);
  expect((await read(s3, key))?.equals(bytes)).toBe(true);
  // This server would take longer ones; S3 does not.
  expect(Math.max(...(await objects()).map((key) => Buffer.byteLength(key)))).toBeLessThanOrEqual(1024);
  await s3.remove(key);
  expect(await read(s3, key)).toBeUndefined();
  await s3.remove(key);
});

test.each([
  ['a bucket that is not there', 'NoSuchBucket', { bucket: 'nowhere' }],
  ['an unknown access key', 'InvalidAccessKeyId', { id: 'nobody' }],
  ['a wrong secret key', 'SignatureDoesNotMatch', { secret: 'wrong' }],
  ['nobody at its address', '', { endpoint: 'http://127.0.0.1:1' }],
])('%s: 503 that says so, and where to look', async (_, code, wrong) => {
  const { id = 'S3RVER', secret = 'S3RVER', ...where } = { id: undefined, secret: undefined, ...wrong };
  credentials(id, secret);
  const s3 = store(where);
  const refusal = {
    status: 503,
    message: expect.stringMatching(new RegExp(`${code}.*CRONIUM_ARTIFACTS_S3_`)),
  };
  await expect(s3.put('job_a.1/x', Buffer.from('x'))).rejects.toMatchObject(refusal);
  await expect(s3.get('job_a.1/x')).rejects.toMatchObject(refusal);
});

/** The keys of all objects. */
async function objects(): Promise<string[]> {
  const names = await readdir(join(folder, BUCKET), { recursive: true });
  return names.flatMap((name) => /^(.*)\._S3rver_object$/.exec(name)?.[1] ?? []);
}

/** What a running attempt sends through its sidecar. */
async function upload(body: NonNullable<RequestInit['body']>) {
  const id = newJobId();
  const update = updateOf(id, 1, { payload: payloadOf(id, {}, {}), state: 'running' });
  await ingestAttempts(service.deps.db, [update]);
  const headers = await service.fleet.executionAuth(id, 1);
  const answer = await service.app.request(`/runtime/v1/executions/${id}.1/artifacts/out/a.bin`, {
    ...{ method: 'PUT', headers, body },
    duplex: 'half',
  });
  const kept = (await objects()).filter((key) => key.startsWith(id));
  return { id, status: answer.status, objects: kept.length };
}

test('what a job sends is in the bucket and comes back with its hash', async () => {
  const { id, status, objects } = await upload('bytes');
  expect([status, objects]).toEqual([200, 1]);
  const list = await bodyOf<{ artifacts: { sha256: string }[] }>(service.get(`/v1/jobs/${id}/artifacts`));
  expect(list).toMatchObject({ artifacts: [{ path: 'out/a.bin', bytes: 5 }] });
  const answer = await service.get(`/v1/jobs/${id}/artifacts/out/a.bin`);
  expect([await answer.text(), answer.headers.get('etag')]).toEqual([
    'bytes',
    `"${list.artifacts[0]?.sha256}"`,
  ]);
});

test('of what is too long, or breaks off, nothing is kept', async () => {
  const tooLong = await upload(new Uint8Array(CAP + 1));
  expect(tooLong).toMatchObject({ status: 413, objects: 0 });
  const broken = new ReadableStream({
    pull(controller) {
      controller.enqueue(new Uint8Array(1000));
      controller.error(new Error('the connection broke'));
    },
  });
  const { id, status, objects } = await upload(broken);
  expect([status, objects]).toEqual([500, 0]);
  expect(await (await service.get(`/v1/jobs/${id}/artifacts`)).json()).toEqual({ artifacts: [] });
});
