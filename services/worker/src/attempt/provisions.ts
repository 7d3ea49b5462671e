import { retry } from '@cronium/lifecycle';
import type { SandboxRequest } from '../sandbox/runtime.ts';
import type { Attempt } from './attempt.ts';
import type { AttemptDeps } from './deps.ts';

const TRIES = 6;

const NO_CAPACITY_DELAY_MS = 1000;

/** Thrown when the job cannot be prepared on this node now: it goes back, and this was no attempt. */
export class NoCapacityError extends Error {
  override readonly name = 'NoCapacityError';
  readonly code = 'NO_CAPACITY';
  /** When it may be tried again. */
  readonly delayMs: number;

  constructor(message: string, options: ErrorOptions & { readonly delayMs?: number } = {}) {
    super(message, options);
    this.delayMs = options.delayMs ?? NO_CAPACITY_DELAY_MS;
  }
}

/** What an attempt gets of its tenant's, as it is when the attempt begins. */
export type Provisions = Pick<SandboxRequest, 'secrets' | 'tenantPreTask'>;

/**
 * Fetches the values of the secrets that the job names, and the script that its tenant runs before all jobs.
 * @param tenantPreTask the first look at that script, which was begun before
 * @throws NoCapacityError when they can't be had for some seconds, or the signal's reason
 */
export async function provisionsOf(
  attempt: Attempt,
  request: { executionToken: string; tenantPreTask: Promise<string | undefined>; signal: AbortSignal },
  { results, store, log }: AttemptDeps,
): Promise<Provisions> {
  const { attemptId, payload } = attempt.claim;
  const { executionToken, signal } = request;
  let look = () => request.tenantPreTask;
  const fetched = async () => {
    const looked = look();
    look = () => store.preTask(payload.tenant);
    const tenantPreTask = await looked;
    const named = payload.spec.secrets.length > 0;
    const secrets = named ? await results.secrets({ attemptId, executionToken }, signal) : {};
    return { secrets, ...(tenantPreTask !== undefined && { tenantPreTask }) };
  };
  const onRetry = ({ error }: { error: unknown }) =>
    log.warn({ err: error, attempt: attemptId }, "the tenant's secrets and script cannot be fetched yet");
  try {
    return await retry(fetched, { signal, attempts: TRIES, maxMs: 2000, onRetry });
  } catch (error) {
    signal.throwIfAborted();
    const what = `what ${attemptId} gets of its tenant's cannot be fetched`;
    throw new NoCapacityError(what, { cause: error });
  }
}
