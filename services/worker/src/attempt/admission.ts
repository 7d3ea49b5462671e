import { waitFor } from '@cronium/lifecycle';
import { type Attempt, SupersededError } from './attempt.ts';
import type { AttemptDeps } from './deps.ts';

/**
 * Call before user code can run. The attempt before this one may have fallen silent: then its worker is given the time to
 * hold its container still. It may also have come to its end unheard: results says whether that end was told in time, and
 * is waited for, however long it is away. From its answer on, the end of an older attempt no longer counts. Resolves at
 * once for any other attempt, and when the attempt is to be stopped.
 * @throws why the attempt was dropped
 */
export async function askToBegin(attempt: Attempt, deps: AttemptDeps): Promise<void> {
  if (!attempt.isSilent || attempt.stop) return;
  const { dropped, stopping } = attempt;
  const over = new AbortController();
  const answered = leaveToBegin(attempt, deps, AbortSignal.any([dropped, over.signal]));
  const stopped = Promise.withResolvers<undefined>();
  const onStop = () => stopped.resolve(undefined);
  stopping.addEventListener('abort', onStop, { once: true });
  try {
    const answer = await Promise.race([waitFor(answered, dropped), stopped.promise]);
    if (answer !== undefined && answer !== 'stored') throw new SupersededError(attempt.id, answer);
    if (answer !== undefined) attempt.speak();
  } finally {
    stopping.removeEventListener('abort', onStop);
    answered.catch(() => undefined);
    over.abort();
  }
}

async function leaveToBegin(attempt: Attempt, deps: AttemptDeps, signal: AbortSignal) {
  // First, so that an end that its worker tells meanwhile still counts.
  await attempt.lease.outwaitFormer(signal);
  return deps.reporter.confirm(attempt.update(), signal);
}
