import { generateKeyPair, importJWK, SignJWT, UnsecuredJWT } from 'jose';
import { beforeAll, expect, test } from 'vitest';
import {
  createNodeKey,
  type ExecutionClaims,
  type NodeKey,
  signExecutionToken,
  signNodeToken,
  TokenRefusedError,
  verifyExecutionToken,
  verifyNodeToken,
} from './tokens.ts';

const now = Math.floor(Date.now() / 1000);
const claims: ExecutionClaims = {
  iss: 'node-1',
  aud: ['runtime-api', 'results'],
  sub: 'job_abcdefghijkl.2',
  executionId: 'job_abcdefghijkl.2',
  jobId: 'job_abcdefghijkl',
  attempt: 2,
  tenant: 'default',
  jti: '0123456789abcdef',
  iat: now,
  exp: now + 60,
};
let key: NodeKey;
beforeAll(async () => {
  key = await createNodeKey();
});

const verify = (token: string) => verifyExecutionToken(token, [key.publicJwk], 'runtime-api');

async function forged(
  header: Record<string, unknown>,
  overrides: Record<string, unknown> = {},
): Promise<string> {
  const secret = await importJWK(key.privateJwk, 'EdDSA');
  return new SignJWT({ ...claims, ...overrides })
    .setProtectedHeader({ alg: 'EdDSA', typ: 'execution+jwt', kid: key.publicJwk.kid, ...header })
    .sign(secret);
}

test('the signer and the verifier share one set of claims', async () => {
  await expect(verify(await signExecutionToken(key, claims))).resolves.toEqual(claims);
  await expect(
    verifyExecutionToken(await signExecutionToken(key, claims), [key.publicJwk], 'results'),
  ).resolves.toEqual(claims);
});

test('a token is the JWT that a library makes of the same claims', async () => {
  expect(await signExecutionToken(key, claims)).toBe(await forged({}));
});

test('the public key holds nothing private', () => {
  expect(Object.keys(key.publicJwk)).not.toContain('d');
});

test('an expired token is refused as expired', async () => {
  const token = await signExecutionToken(key, { ...claims, iat: now - 500, exp: now - 100 });
  await expect(verify(token)).rejects.toMatchObject({ code: 'TOKEN_EXPIRED' });
});

test.each([
  ['another audience', () => forged({}, { aud: ['somewhere'] })],
  ['a node token', () => signNodeToken(key, 'node-1')],
  ['another type', () => forged({ typ: 'JWT' })],
  ['a subject that is not the execution', () => forged({}, { sub: 'job_abcdefghijkl.1' })],
  ['a missing claim', () => forged({}, { jobId: undefined })],
  ['no expiry', () => forged({}, { exp: undefined })],
  ['alg none', async () => new UnsecuredJWT({ ...claims }).encode()],
  [
    'HS256 with the public key as the secret',
    () =>
      new SignJWT({ ...claims })
        .setProtectedHeader({ alg: 'HS256', typ: 'execution+jwt', kid: key.publicJwk.kid })
        .sign(Buffer.from(String(key.publicJwk.x), 'base64url')),
  ],
  [
    "a stranger's key under our key id",
    async () => {
      const stranger = await generateKeyPair('EdDSA', { crv: 'Ed25519' });
      return new SignJWT({ ...claims })
        .setProtectedHeader({ alg: 'EdDSA', typ: 'execution+jwt', kid: key.publicJwk.kid })
        .sign(stranger.privateKey);
    },
  ],
  ['garbage', async () => 'not.a.token'],
])('refused: %s', async (_, make) => {
  await expect(verify(await make())).rejects.toBeInstanceOf(TokenRefusedError);
});

test('a flipped bit anywhere in the signature or the claims is refused', async () => {
  const token = await signExecutionToken(key, claims);
  const [header = '', body = '', signature = ''] = token.split('.');
  for (const [part, index] of [
    [body, 1],
    [signature, 2],
  ] as const) {
    const bytes = Buffer.from(part, 'base64url');
    bytes.writeUInt8(bytes.readUInt8(7) ^ 1, 7);
    const parts = [header, body, signature];
    parts[index] = bytes.toString('base64url');
    await expect(verify(parts.join('.'))).rejects.toBeInstanceOf(TokenRefusedError);
  }
});

test('a node token names its node and is refused as an execution token', async () => {
  const now = Date.now();
  const verified = await verifyNodeToken(await signNodeToken(key, 'node-1', now), [key.publicJwk]);
  expect(verified).toEqual({ node: 'node-1', untilMs: 1000 * (Math.floor(now / 1000) + 300) });
  await expect(
    verifyNodeToken(await signExecutionToken(key, claims), [key.publicJwk]),
  ).rejects.toBeInstanceOf(TokenRefusedError);
});
