import type { ExecutionClaims } from '@cronium/contracts';
import { firstOf } from '@cronium/lifecycle';
import type { Ending } from '../outcome/evidence.ts';
import { type PreparationObserver, type Sandbox, SandboxError } from '../sandbox/runtime.ts';
import type { Attempt } from './attempt.ts';
import type { AttemptDeps } from './deps.ts';
import { NoCapacityError, provisionsOf } from './provisions.ts';

/** Beyond the job's own time: for queues of helpers and the log's drain. */
const TOKEN_SPARE_SECONDS = 60;

/** How long the attempt's execution token may be needed. */
export function tokenSeconds(attempt: Attempt, { limits }: AttemptDeps): number {
  const { timeoutSeconds } = attempt.claim.payload.spec;
  return (
    Math.ceil(timeoutSeconds + (limits.setupTimeoutMs + limits.stopGraceMs + limits.freezeMs) / 1000) +
    TOKEN_SPARE_SECONDS
  );
}

/** What an attempt needs before its sandbox is made, already asked for. */
export interface Needs {
  readonly executionToken: Promise<string>;
  readonly tenantPreTask: Promise<string | undefined>;
}

/** Asks for what an attempt will need. As soon as it is claimed: one answer after the other is a part of a warm start. */
export function askForNeeds(attempt: Attempt, deps: AttemptDeps): Needs {
  const executionToken = deps.signToken(claimsOf(attempt, deps));
  const tenantPreTask = deps.store.preTask(attempt.claim.payload.tenant);
  // Whoever comes to need them gets the failure.
  for (const need of [executionToken, tenantPreTask]) need.catch(() => undefined);
  return { executionToken, tenantPreTask };
}

/**
 * Makes the attempt's sandbox.
 * @returns the sandbox, or the attempt's ending when there can be none
 * @throws NoCapacityError, or why the attempt was dropped
 */
export async function prepare(attempt: Attempt, needs: Needs, deps: AttemptDeps): Promise<Sandbox | Ending> {
  const { claim, dropped, stopping } = attempt;
  const signal = firstOf(dropped, stopping);
  const { tenantPreTask } = needs;
  const executionToken = await needs.executionToken;
  try {
    const provisions = await provisionsOf(attempt, { executionToken, tenantPreTask, signal }, deps);
    const request = {
      jobId: claim.jobId,
      attempt: claim.attempt,
      attemptId: claim.attemptId,
      payload: claim.payload,
      spec: claim.payload.spec,
      executionToken,
      ...provisions,
    };
    const sandbox = await deps.runtime.prepare(request, observer(attempt), signal);
    attempt.image = sandbox.binding.image;
    return sandbox;
  } catch (error) {
    dropped.throwIfAborted();
    if (attempt.stop) return { type: 'stopped_early', stop: attempt.stop };
    if (!(error instanceof SandboxError) || error.code === 'aborted') throw error;
    if (error.code === 'capacity') throw new NoCapacityError(error.message, { cause: error });
    return { type: 'unprepared', code: error.code, message: error.message, statusCode: error.statusCode };
  }
}

function claimsOf(attempt: Attempt, deps: AttemptDeps): ExecutionClaims {
  const { jobId, attemptId, attempt: number, payload } = attempt.claim;
  const iat = Math.floor(Date.now() / 1000);
  return {
    iss: deps.node,
    aud: ['runtime-api', 'results'],
    sub: attemptId,
    executionId: attemptId,
    jobId,
    attempt: number,
    tenant: payload.tenant,
    jti: attempt.jti,
    iat,
    exp: iat + tokenSeconds(attempt, deps),
  };
}

function observer(attempt: Attempt): PreparationObserver {
  return {
    begin: (step) => attempt.moment(`${step}_started`),
    end: (step, attributes) => {
      attempt.moment(`${step}_ended`, Date.now(), attributes);
      attempt.tell();
    },
  };
}

const HELD_BACK_MS = 1000;

/** Ends the attempt when preparation, setup and preTask take too long. Disposed of when the main program begins. */
export function setupDeadline(attempt: Attempt, deps: AttemptDeps, isHeldBack: () => boolean): Disposable {
  const milliseconds = deps.limits.setupTimeoutMs;
  const onEnd = () => {
    // While results is away the log is not read on, and with it not the mark that the main program has begun.
    if (isHeldBack()) timer = attempt.clock.after(HELD_BACK_MS, onEnd);
    else attempt.requestStop({ type: 'setup_timeout', seconds: milliseconds / 1000 });
  };
  let timer = attempt.clock.after(milliseconds, onEnd);
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}
