import { createPublicKey } from 'node:crypto';
import { createNodeKey, keysFor, signExecutionToken, signNodeToken } from '@cronium/contracts';
import { eventually, testEnvironment } from '@cronium/testing';
import { Redis } from 'ioredis';
import { importJWK, SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { ATTEMPT, boundSidecar, claimsOf, Fixture, INPUT, JOB } from './testing/fixture.ts';

let fixture: Fixture;
let valkey: Redis;

beforeAll(async () => {
  fixture = await boundSidecar();
  valkey = new Redis(testEnvironment().valkeyUrl);
});
beforeEach(async () => {
  fixture.results.received.length = 0;
  await fixture.bind();
});
afterAll(async () => {
  valkey.disconnect();
  await fixture[Symbol.asyncDispose]();
});

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token that our own signer would not make. */
async function signedOtherwise(
  header: Record<string, string>,
  claims: Record<string, unknown>,
): Promise<string> {
  const key = await importJWK(fixture.key.privateJwk, 'EdDSA');
  const { kid } = fixture.key.publicJwk;
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'EdDSA', typ: 'execution+jwt', kid, ...header })
    .sign(key);
}

function hs256WithThePublicKey(): Promise<string> {
  const { kid, ...jwk } = fixture.key.publicJwk;
  const pem = createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
  return new SignJWT({ ...claimsOf(ATTEMPT) })
    .setProtectedHeader({ alg: 'HS256', typ: 'execution+jwt', kid })
    .sign(Buffer.from(pem));
}

function flipped(token: string, part: 0 | 1 | 2): string {
  const parts = token.split('.');
  const bytes = Buffer.from(parts[part] ?? '', 'base64url');
  bytes[5] = (bytes[5] ?? 0) ^ 1;
  parts[part] = bytes.toString('base64url');
  return parts.join('.');
}

const past = { iat: 1_000_000, exp: 1_000_600 };
const REFUSED: [string, 401 | 403, () => string | Promise<string>][] = [
  ['no token', 401, () => ''],
  ['no JWT', 401, () => 'a.b.c'],
  ['expired', 401, () => fixture.sign(past)],
  ['a wrong audience', 401, () => signedOtherwise({}, { ...claimsOf(ATTEMPT), aud: ['results'] })],
  ['another type', 401, () => signedOtherwise({ typ: 'JWT' }, { ...claimsOf(ATTEMPT) })],
  ['a claim missing', 401, () => signedOtherwise({}, { ...claimsOf(ATTEMPT), jti: undefined })],
  [
    'another subject than execution',
    401,
    () => signedOtherwise({}, { ...claimsOf(ATTEMPT), sub: `${JOB}.1` }),
  ],
  ['alg none', 401, () => `${encoded({ alg: 'none', typ: 'execution+jwt' })}.${encoded(claimsOf(ATTEMPT))}.`],
  ['HS256 with the public key', 401, hs256WithThePublicKey],
  ['a flipped byte in the header', 401, () => flipped(fixture.token, 0)],
  ['a flipped byte in the claims', 401, () => flipped(fixture.token, 1)],
  ['a flipped byte in the signature', 401, () => flipped(fixture.token, 2)],
  ['another node', 401, async () => signExecutionToken(await createNodeKey(), claimsOf(ATTEMPT))],
  ['a token of the node itself', 401, () => signNodeToken(fixture.key, 'node-1')],
  ['another job', 403, () => fixture.sign(claimsOf('job_ABCDEFGHIJKL.1'))],
  ['an older attempt', 403, () => fixture.sign(claimsOf(`${JOB}.1`))],
];

test.each(REFUSED)('refused, with nothing passed on: %s (%i)', async (_, status, tokenOf) => {
  const token = await tokenOf();
  const answers = [
    await fixture.execution('/input', { token }),
    await fixture.execution('/variables/a', { token, method: 'PUT', body: '{"value":1}' }),
    await fixture.call('/tool-actions/execute', {
      token,
      method: 'POST',
      body: '{"tool":"slack","action":"x"}',
    }),
    await fixture.call('/otlp/v1/traces', { token, method: 'POST', body: '{}' }),
  ];
  for (const answer of answers) {
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.json()).toMatchObject({ status, detail: expect.any(String) });
  }
  expect(fixture.results.received).toEqual([]);
});

test("the path's execution must be the token's, also for a token that is good", async () => {
  expect((await fixture.call(`/executions/${JOB}.1/input`)).status).toBe(403);
  const older = await fixture.sign(claimsOf(`${JOB}.1`));
  expect((await fixture.call(`/executions/${JOB}.1/input`, { token: older })).status).toBe(403);
});

test('a revoked token is refused, also one that was good a moment ago', async () => {
  const jti = 'f00df00df00df00df00d';
  const token = await fixture.sign({ jti });
  expect((await fixture.execution('/input', { token })).status).toBe(200);
  await valkey.set(keysFor(fixture.prefix).revoked(jti), '1');
  const status = await eventually(
    async () => {
      const answer = await fixture.execution('/input', { token });
      return answer.status === 200 ? undefined : answer.status;
    },
    { what: 'the revocation is seen' },
  );
  expect(status).toBe(403);
});

test('when revocation cannot be checked the answer is 503, and the store coming back is enough', async () => {
  // A port that nothing listens on.
  await using blind = await boundSidecar({ valkeyUrl: 'redis://127.0.0.1:1', limits: { patienceMs: 0 } });
  const answer = await blind.execution('/input');
  expect(answer.status).toBe(503);
  expect(answer.headers['retry-after']).toBe('1');
  expect(answer.json()).toMatchObject({ detail: expect.stringContaining('Valkey') });
  expect((await blind.execution('/output', { method: 'POST', body: '{"data":1}' })).status).toBe(503);
  expect(blind.results.received).toEqual([]);
});

test('before the first attempt is bound a call may come again, after the last one it may not', async () => {
  await using fresh = new Fixture();
  await fresh.start();
  const early = await fresh.execution('/input');
  expect([early.status, early.headers['retry-after']]).toEqual([503, '1']);
  await fresh.bind();
  expect((await fresh.execution('/input')).json()).toEqual({ success: true, data: INPUT });
  await fresh.sidecar.carryOut({ type: 'unbind' });
  expect((await fresh.execution('/input')).status).toBe(403);
});
