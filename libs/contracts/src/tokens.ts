import { createPrivateKey, type KeyObject, sign as signBytes } from 'node:crypto';
import {
  calculateJwkThumbprint,
  createLocalJWKSet,
  errors,
  exportJWK,
  generateKeyPair,
  type JWK,
  jwtVerify,
} from 'jose';
import { z } from 'zod';
import { ATTEMPT_ID, JOB_ID } from './ids.ts';

const EXECUTION_TYP = 'execution+jwt';
const NODE_TYP = 'node+jwt';
const ALGORITHM = 'EdDSA';
/** Clocks of two hosts may differ by this much. */
const CLOCK_TOLERANCE_SECONDS = 30;
const NODE_TOKEN_SECONDS = 300;

export type Audience = 'runtime-api' | 'results';

/** The claims of an execution token. The one schema: the worker signs with it, sidecar and results verify with it. */
export const executionClaims = z.object({
  iss: z.string().min(1),
  aud: z.tuple([z.literal('runtime-api'), z.literal('results')]),
  sub: z.string().regex(ATTEMPT_ID),
  executionId: z.string().regex(ATTEMPT_ID),
  jobId: z.string().regex(JOB_ID),
  attempt: z.int().positive(),
  tenant: z.string().min(1),
  jti: z.string().min(16),
  iat: z.int(),
  exp: z.int(),
});
export type ExecutionClaims = z.infer<typeof executionClaims>;

/** A node's Ed25519 key pair; the private half never leaves the node. */
export interface NodeKey {
  readonly privateJwk: JWK;
  /** What the node publishes: no private part, `kid` is the RFC 7638 thumbprint. */
  readonly publicJwk: JWK & { kty: string; kid: string };
}

/** Thrown when a token is not accepted; `code` says why, the message is safe to show. */
export class TokenRefusedError extends Error {
  override readonly name = 'TokenRefusedError';
  readonly code: 'TOKEN_EXPIRED' | 'TOKEN_INVALID';

  constructor(code: 'TOKEN_EXPIRED' | 'TOKEN_INVALID', message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export async function createNodeKey(): Promise<NodeKey> {
  const { publicKey, privateKey } = await generateKeyPair(ALGORITHM, { crv: 'Ed25519', extractable: true });
  const publicJwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(publicJwk);
  return {
    privateJwk: { ...(await exportJWK(privateKey)), kid },
    publicJwk: { ...publicJwk, kty: 'OKP', kid, alg: ALGORITHM, use: 'sig' },
  };
}

/** Keys as the signing and verifying code wants them, for as long as who holds the keys does: making them takes longer than using them. */
const signing = new WeakMap<JWK, KeyObject>();
const verifying = new WeakMap<readonly JWK[], ReturnType<typeof createLocalJWKSet>>();

function signingKey({ privateJwk }: NodeKey): KeyObject {
  const known = signing.get(privateJwk) ?? createPrivateKey({ key: { ...privateJwk }, format: 'jwk' });
  signing.set(privateJwk, known);
  return known;
}

function verifyingKeys(jwks: readonly JWK[]): ReturnType<typeof createLocalJWKSet> {
  const known = verifying.get(jwks) ?? createLocalJWKSet({ keys: [...jwks] });
  verifying.set(jwks, known);
  return known;
}

/**
 * A JWT in compact form (RFC 7515, RFC 8037), made here and now: a signature takes some microseconds, and handing it to another
 * thread and back four times as long.
 */
function sign(key: NodeKey, typ: string, claims: Record<string, unknown>): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: ALGORITHM, typ, kid: key.publicJwk.kid })}.${part(claims)}`;
  return `${signed}.${signBytes(null, Buffer.from(signed), signingKey(key)).toString('base64url')}`;
}

/** Signs an attempt's execution token. */
export async function signExecutionToken(key: NodeKey, claims: ExecutionClaims): Promise<string> {
  return sign(key, EXECUTION_TYP, executionClaims.parse(claims));
}

/** Signs the token with which a worker speaks to results; good for five minutes. */
export async function signNodeToken(key: NodeKey, node: string, nowMs: number = Date.now()): Promise<string> {
  const iat = Math.floor(nowMs / 1000);
  return sign(key, NODE_TYP, { iss: node, sub: node, aud: ['results'], iat, exp: iat + NODE_TOKEN_SECONDS });
}

async function verify(
  token: string,
  jwks: readonly JWK[],
  typ: string,
  audience: Audience,
): Promise<unknown> {
  try {
    const { payload } = await jwtVerify(token, verifyingKeys(jwks), {
      algorithms: [ALGORITHM],
      typ,
      audience,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      requiredClaims: ['iss', 'sub', 'aud', 'iat', 'exp'],
    });
    return payload;
  } catch (error) {
    if (error instanceof errors.JWTExpired) {
      throw new TokenRefusedError('TOKEN_EXPIRED', 'the token has expired', { cause: error });
    }
    throw new TokenRefusedError('TOKEN_INVALID', 'the token is not valid here', { cause: error });
  }
}

/**
 * Verifies an execution token: signature, algorithm, type, audience, expiry, and the claims' shape.
 * @param jwks public keys of the nodes that may sign; an array that is given again is not read again
 * @throws TokenRefusedError
 */
export async function verifyExecutionToken(
  token: string,
  jwks: readonly JWK[],
  audience: Audience,
): Promise<ExecutionClaims> {
  const claims = executionClaims.safeParse(await verify(token, jwks, EXECUTION_TYP, audience));
  if (!claims.success || claims.data.sub !== claims.data.executionId) {
    throw new TokenRefusedError('TOKEN_INVALID', 'the token is not an execution token');
  }
  return claims.data;
}

/**
 * Verifies a node's token.
 * @returns the node's name, and until when the token is good
 * @throws TokenRefusedError
 */
export async function verifyNodeToken(
  token: string,
  jwks: readonly JWK[],
): Promise<{ readonly node: string; readonly untilMs: number }> {
  const { iss, exp } = nodeClaims.parse(await verify(token, jwks, NODE_TYP, 'results'));
  return { node: iss, untilMs: exp * 1000 };
}

const nodeClaims = z.object({ iss: z.string().min(1), exp: z.number() });
