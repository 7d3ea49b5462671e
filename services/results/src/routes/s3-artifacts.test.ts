import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { s3Artifacts } from './s3-artifacts.ts';

/** What S3's REST API does with objects (https://docs.aws.amazon.com/AmazonS3/latest/API/), and no more. */
const objects = new Map<string, Buffer>();
const seen: { method: string; signed: boolean; intact: boolean }[] = [];
const server = createServer(async (request, response) => {
  const { method = '', url = '', headers } = request;
  const body = await buffer(request);
  seen.push({ method, signed: isSigned(request), intact: isIntact(headers, body) });
  const path = decodeURIComponent(new URL(url, 'http://s3').pathname);
  const found = objects.get(path);
  if (method === 'PUT') objects.set(path, body);
  if (method === 'DELETE') objects.delete(path);
  if (method !== 'GET') return void response.writeHead(method === 'PUT' ? 200 : 204).end();
  if (found !== undefined) return void response.end(found);
  response.writeHead(404, { 'content-type': 'application/xml' });
  response.end('<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>none</Message></Error>');
});

function isSigned({ headers }: IncomingMessage): boolean {
  const credential = /^AWS4-HMAC-SHA256 Credential=the-id\/\d{8}\/eu-test\/s3\/aws4_request, /;
  return credential.test(headers.authorization ?? '');
}

function isIntact(headers: IncomingMessage['headers'], body: Buffer): boolean {
  const declared = headers['x-amz-content-sha256'];
  return declared === 'UNSIGNED-PAYLOAD' || declared === createHash('sha256').update(body).digest('hex');
}

beforeAll(async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'the-id');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'the-key');
  await once(server.listen(0, '127.0.0.1'), 'listening');
});
afterAll(() => {
  vi.unstubAllEnvs();
  server.closeAllConnections();
  server.close();
});

const store = (port = (server.address() as AddressInfo).port) =>
  s3Artifacts({ bucket: 'artifacts', region: 'eu-test', endpoint: `http://127.0.0.1:${port}` }, 1000);

test('artifacts are kept in a bucket by signed requests, come back byte for byte, and are removed', async () => {
  const s3 = store();
  const bytes = Buffer.from([0, 1, 2, 255]);
  expect(await s3.put('job_a.1/out/a b+ü.bin', bytes)).toBe(true);
  expect([...objects.keys()]).toEqual(['/artifacts/job_a.1/out/a b+ü.bin']);
  const read = await s3.get('job_a.1/out/a b+ü.bin');
  expect(Buffer.from(await new Response(read).arrayBuffer())).toEqual(bytes);
  await s3.remove('job_a.1/out/a b+ü.bin');
  expect(await s3.get('job_a.1/out/a b+ü.bin')).toBeUndefined();
  expect(seen.map(({ method }) => method)).toEqual(['PUT', 'GET', 'DELETE', 'GET']);
  expect(seen.filter(({ signed, intact }) => !signed || !intact)).toEqual([]);
});

test('a store that is away is 503, and says where to look', async () => {
  await expect(store(1).put('job_a.1/x', Buffer.from('x'))).rejects.toMatchObject({
    status: 503,
    message: expect.stringContaining('CRONIUM_ARTIFACTS_S3_'),
  });
});
