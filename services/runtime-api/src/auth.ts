import { type ExecutionClaims, TokenRefusedError, verifyExecutionToken } from '@cronium/contracts';
import type { JWK } from 'jose';
import type { BindingHolder } from './binding.ts';
import { forbidden, unauthorized } from './problems.ts';
import type { Revocations } from './revocation.ts';

/** A request's token, proven. */
export interface Caller {
  readonly token: string;
  readonly claims: ExecutionClaims;
}

/**
 * Proves a request's token: signed by this node, for this sidecar, in time, of the attempt that is bound, not revoked.
 * @throws RefusedError 401, 403, or 503 when revocation cannot be checked
 */
export async function authenticate(
  header: string | undefined,
  deps: { jwks: readonly JWK[]; binding: BindingHolder; revocations: Revocations },
): Promise<Caller> {
  const token = /^Bearer +([^ ]+)$/i.exec(header ?? '')?.[1];
  if (token === undefined) {
    throw unauthorized('Send the execution token: Authorization: Bearer $CRONIUM_EXECUTION_TOKEN');
  }
  const claims = await verified(token, deps.jwks);
  const bound = deps.binding.current;
  if (bound === undefined || claims.executionId !== bound.attemptId) {
    throw forbidden(`The token is of ${claims.executionId}, which this sidecar does not serve.`);
  }
  if (await deps.revocations.isRevoked(claims.jti)) {
    throw forbidden(`The token of ${claims.executionId} was revoked: the attempt has ended.`);
  }
  return { token, claims };
}

async function verified(token: string, jwks: readonly JWK[]): Promise<ExecutionClaims> {
  try {
    return await verifyExecutionToken(token, jwks, 'runtime-api');
  } catch (error) {
    if (error instanceof TokenRefusedError)
      throw unauthorized(`The execution token is refused: ${error.message}.`, error);
    throw error;
  }
}
