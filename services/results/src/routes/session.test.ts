import { afterAll, beforeAll, expect, test } from 'vitest';
import { ADMIN_KEY, bodyOf, openService, type ProblemBody, type TestService } from '../test/service.ts';

let service: TestService;
beforeAll(async () => {
  service = await openService();
});
afterAll(() => service[Symbol.asyncDispose]());

const host = { host: 'fleet.example:7071' };
const signIn = (key: string, headers: Record<string, string> = {}) =>
  service.send('POST', '/session', { key }, { ...host, ...headers });

async function cookieOf(): Promise<string> {
  const response = await signIn(ADMIN_KEY);
  expect(response.status).toBe(200);
  const cookie = response.headers.get('set-cookie') ?? '';
  expect(cookie).toMatch(/HttpOnly.*SameSite=Strict/);
  return cookie.split(';')[0] ?? '';
}

test('a key signs a browser in; its cookie is as good as the header, and signing out drops it', async () => {
  const cookie = await cookieOf();
  const who = await bodyOf<unknown>(service.app.request('/v1/session', { headers: { cookie } }));
  expect(who).toEqual({ name: 'admin', tenant: 'default', role: 'admin' });
  expect((await signIn('wrong')).status).toBe(401);
  const out = await service.app.request('/session', { method: 'DELETE', headers: { cookie } });
  expect([out.status, out.headers.get('set-cookie')]).toEqual([204, expect.stringContaining('Max-Age=0')]);
});

test('a page of another port may neither sign in nor act with the cookie', async () => {
  const cookie = await cookieOf();
  const origin = 'http://fleet.example:9999';
  expect((await signIn(ADMIN_KEY, { origin })).status).toBe(403);
  const act = (headers: Record<string, string>) =>
    service.send('PUT', '/v1/variables/x', { value: 1 }, { ...host, ...headers });
  const refused = await act({ cookie, origin });
  expect([refused.status, (await bodyOf<ProblemBody>(refused)).detail]).toEqual([
    403,
    expect.stringContaining(origin),
  ]);
  expect((await act({ cookie, origin: `http://${host.host}` })).status).toBe(200);
  expect((await act({ authorization: `Bearer ${ADMIN_KEY}`, origin })).status).toBe(200);
});
