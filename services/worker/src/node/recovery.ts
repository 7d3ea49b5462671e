import { retry } from '@cronium/lifecycle';
import type { AttemptDeps } from '../attempt/deps.ts';
import type { Leases } from '../claim/leases.ts';
import type { Slots } from '../claim/slots.ts';
import type { JournalEntry } from '../journal/journal.ts';
import { reopenAttempt, resumeJob } from '../resume-job.ts';
import type { Running } from './running.ts';

export interface RecoveryParts {
  readonly deps: AttemptDeps;
  readonly leases: Leases;
  readonly slots: Slots;
  readonly running: Running;
}

const RETRY_MS = 1000;
/** What is younger may be this process's own; slots of a former one are known by their names and go at once. */
const GRACE_MS = 120_000;

/**
 * What a former process of this node left: attempts whose lock still holds go on; all others are removed, container and
 * record, and so is every sandbox that no record knows. Returns when no stale container is left on this node; waits for
 * Valkey and Docker as long as it takes.
 */
export async function takeBackAll(parts: RecoveryParts, signal: AbortSignal): Promise<void> {
  const { deps, running } = parts;
  const gone: JournalEntry[] = [];
  for (const { binding } of deps.journal.entries()) if (binding) deps.runtime.expect(binding);
  // All locks first: they run out while containers are looked after.
  for (const entry of deps.journal.entries()) {
    await persistently(async () => void ((await takeBack(entry, parts)) || gone.push(entry)), parts, signal);
  }
  for (const { claim } of gone) {
    deps.log.warn(
      { attempt: claim.attemptId },
      'the lock of a former attempt is gone; removing its container',
    );
    await persistently(() => deps.runtime.purge(claim), parts, signal);
    if (!signal.aborted) deps.journal.forget(claim.attemptId);
  }
  await persistently(
    async () => {
      const stale = (await deps.runtime.observe()).filter(({ attemptId }) => !running.ids.has(attemptId));
      for (const sandbox of stale) {
        deps.log.warn({ attempt: sandbox.attemptId }, 'removing a stale sandbox');
        await deps.runtime.purge(sandbox);
      }
      await deps.runtime.reconcile(running.ids, GRACE_MS, false);
    },
    parts,
    signal,
  );
}

/** @returns is its lock still ours? */
async function takeBack(
  entry: JournalEntry,
  { deps, leases, slots, running }: RecoveryParts,
): Promise<boolean> {
  const { claim } = entry;
  const since = leases.now();
  const refused = await deps.queue(claim.queue).extend([claim]);
  if (refused.length > 0) return false;
  const attempt = reopenAttempt(entry, leases.hold(claim, since), deps);
  running.add(attempt, slots.occupy(), () => resumeJob(attempt, entry, deps));
  return true;
}

async function persistently(
  run: () => Promise<void>,
  { deps }: RecoveryParts,
  signal: AbortSignal,
): Promise<void> {
  const onRetry = ({ error }: { error: unknown }) =>
    deps.log.warn({ err: error }, 'could not take back what a former process left; trying again');
  const options = { signal, attempts: Number.POSITIVE_INFINITY, baseMs: RETRY_MS, maxMs: 5000, onRetry };
  await retry(run, options).catch((error) => {
    if (!signal.aborted) throw error;
  });
}
