import { type ExecutionClaims, TokenRefusedError, verifyExecutionToken } from '@cronium/contracts';
import type { JWK } from 'jose';
import type { Binding, BindingHolder } from './binding.ts';
import type { Patience } from './patience.ts';
import { forbidden, unauthorized, unavailable } from './problems.ts';
import type { Revocations } from './revocation.ts';

/** A request's token, proven, and the attempt that it is of. */
export interface Caller {
  readonly token: string;
  readonly claims: ExecutionClaims;
  readonly bound: Binding;
}

export interface AuthDeps {
  readonly jwks: readonly JWK[];
  readonly binding: BindingHolder;
  readonly revocations: Revocations;
}

/**
 * Proves a request's token: signed by this node, for this sidecar, in time, of the attempt that is bound and that the
 * path names, not revoked.
 * @param executionId of the path, where it has one
 * @throws RefusedError 401, 403, or 503 when revocation can't be checked
 */
export async function authenticate(
  { authorization, executionId }: { authorization: string | undefined; executionId: string | undefined },
  { jwks, binding, revocations }: AuthDeps,
  patience: Patience,
): Promise<Caller> {
  const token = /^Bearer +([^ ]+)$/i.exec(authorization ?? '')?.[1];
  if (token === undefined) {
    throw unauthorized('Send the execution token: Authorization: Bearer $CRONIUM_EXECUTION_TOKEN');
  }
  const claims = await verified(token, jwks);
  if (executionId !== undefined && executionId !== claims.executionId) {
    throw forbidden(`The token is of ${claims.executionId}, not of ${executionId.slice(0, 100)}.`);
  }
  const bound = binding.current;
  if (bound === undefined && binding.fresh) {
    throw unavailable('The worker has not bound an attempt to this sidecar yet. Try again.');
  }
  if (bound === undefined || claims.executionId !== bound.attemptId) {
    throw forbidden(`The token is of ${claims.executionId}, which this sidecar does not serve.`);
  }
  if (await revocations.isRevoked(claims.jti, patience)) {
    throw forbidden(`The token of ${claims.executionId} was revoked: the attempt has ended.`);
  }
  return { token, claims, bound };
}

async function verified(token: string, jwks: readonly JWK[]): Promise<ExecutionClaims> {
  try {
    return await verifyExecutionToken(token, jwks, 'runtime-api');
  } catch (error) {
    if (!(error instanceof TokenRefusedError)) throw error;
    throw unauthorized(`The execution token is refused: ${error.message}.`, error);
  }
}
