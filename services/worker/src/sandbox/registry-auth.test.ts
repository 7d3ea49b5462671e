import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testDocker, testEnvironment } from '@cronium/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DockerClient } from './docker.ts';
import { ImageStore } from './images.ts';
import { registryAuth } from './registry-auth.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'auth-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function fileWith(content: unknown): string {
  const file = join(folder, 'config.json');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

const login = (user: string, password: string) => ({
  auth: Buffer.from(`${user}:${password}`).toString('base64'),
});
const opened = async (file: string, reference: string) =>
  JSON.parse(Buffer.from((await registryAuth(file, reference)) ?? 'bnVsbA', 'base64url').toString());

test.each([
  { reference: 'registry.example:5000/team/a:1', user: 'ada', serveraddress: 'registry.example:5000' },
  { reference: 'ghcr.example/a', user: 'bob', serveraddress: 'ghcr.example' },
  { reference: 'library/debian:12', user: 'hub', serveraddress: 'https://index.docker.io/v1/' },
  { reference: 'debian', user: 'hub', serveraddress: 'https://index.docker.io/v1/' },
])('$reference is pulled as $user', async ({ reference, user, serveraddress }) => {
  const file = fileWith({
    credsStore: 'desktop',
    auths: {
      'registry.example:5000': login('ada', 'pass:word'),
      'https://ghcr.example/': login('bob', 'pass:word'),
      'https://index.docker.io/v1/': login('hub', 'pass:word'),
    },
  });
  expect(await opened(file, reference)).toEqual({ username: user, password: 'pass:word', serveraddress });
});

test('a registry without credentials is asked without; an unreadable file is the operator’s business', async () => {
  expect(await registryAuth(fileWith({ auths: {} }), 'registry.example/a')).toBeUndefined();
  expect(await registryAuth(fileWith({}), 'debian')).toBeUndefined();
  const wanted = { code: 'docker', message: expect.stringContaining('CRONIUM_REGISTRY_AUTH_FILE') };
  await expect(registryAuth(fileWith('{"auths": s3cret'), 'debian')).rejects.toMatchObject(wanted);
  await expect(registryAuth(fileWith('{"auths": s3cret'), 'debian')).rejects.not.toThrow('s3cret');
  await expect(registryAuth(join(folder, 'nowhere'), 'debian')).rejects.toMatchObject(wanted);
});

test('the daemon shows the credentials to the registry, and to no other', async () => {
  const shown: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    shown.push(request.headers.authorization);
    if (request.headers.authorization === undefined) {
      response.setHeader('www-authenticate', 'Basic realm="stand-in"');
      response.statusCode = 401;
      return void response.end('{"errors":[{"code":"UNAUTHORIZED","message":"log in first"}]}');
    }
    response.statusCode = request.url === '/v2/' ? 200 : 404;
    response.end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"known user, unknown image"}]}');
  });
  const up = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', up.resolve);
  await up.promise;
  const address = server.address();
  const registry = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  const client = new DockerClient(testEnvironment().dockerHost, { callMs: 30_000 });
  try {
    const authFile = fileWith({ auths: { [registry]: login('ada', 'secret') } });
    const pull = (file: string | undefined) =>
      new ImageStore(client, { pullMs: 60_000, authFile: file }).ensure(
        `${registry}/team/a:1`,
        AbortSignal.timeout(60_000),
      );
    await expect(pull(authFile)).rejects.toMatchObject({
      code: 'image',
      message: expect.stringContaining('unknown image'),
    });
    expect(shown).toContain(`Basic ${login('ada', 'secret').auth}`);
    shown.length = 0;
    await expect(pull(undefined)).rejects.toMatchObject({ code: 'image' });
    expect(shown.filter((authorization) => authorization !== undefined)).toEqual([]);
    await expect(testDocker().getImage(`${registry}/team/a:1`).inspect()).rejects.toMatchObject({
      statusCode: 404,
    });
  } finally {
    client.close();
    server.closeAllConnections();
    server.close();
  }
});
