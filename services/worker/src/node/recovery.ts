import { deadline, retry, waitFor } from '@cronium/lifecycle';
import type { AttemptDeps } from '../attempt/deps.ts';
import type { Lease, Leases } from '../claim/leases.ts';
import type { Slots } from '../claim/slots.ts';
import type { JournalEntry } from '../journal/journal.ts';
import { reopenAttempt, resumeJob } from '../resume-job.ts';
import type { Running } from './running.ts';
import { ANSWER_MS, untilAnswered } from './until-answered.ts';

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
 * record, and so is every sandbox that no record knows. While Valkey does not answer, they are held still. Returns when no
 * stale container is left on this node; waits for Valkey and Docker as long as it takes.
 */
export async function takeBackAll(parts: RecoveryParts, signal: AbortSignal): Promise<void> {
  const { deps, running } = parts;
  const gone: JournalEntry[] = [];
  const doubted: Lease[] = [];
  for (const { binding } of deps.journal.entries()) if (binding) deps.runtime.expect(binding);
  // All locks first: they run out while containers are looked after. These run until Valkey has said whose the jobs are, and
  // are held still when it says nothing for so long.
  using limit = deadline(ANSWER_MS, 'Valkey does not say whose the jobs of a former process are', signal);
  for (const entry of deps.journal.entries()) {
    const taken = await takeBack(entry, parts, limit);
    if (taken === 'refused') gone.push(entry);
    else if (!taken.isSure) doubted.push(taken);
  }
  for (const { claim } of gone) {
    deps.log.warn(
      { attempt: claim.attemptId },
      'the lock of a former attempt is gone; removing its container',
    );
    await persistently(() => deps.runtime.purge(claim), parts, signal);
    if (!signal.aborted) deps.journal.forget(claim.attemptId);
  }
  await Promise.all(doubted.map((lease) => decided(lease, parts, signal)));
  await persistently(
    async () => {
      const stale = (await deps.runtime.observe()).filter(({ attemptId }) => !running.ids.has(attemptId));
      for (const sandbox of stale) {
        deps.log.warn({ attempt: sandbox.attemptId }, 'removing a stale sandbox');
        await deps.runtime.purge(sandbox);
      }
      await deps.runtime.reconcile(running.ids, { graceMs: GRACE_MS, dryRun: false });
    },
    parts,
    signal,
  );
}

/** Goes on with an attempt if its lock is ours, or if nobody says whose it is: then it is in doubt. */
async function takeBack(
  entry: JournalEntry,
  { deps, leases, slots, running }: RecoveryParts,
  limit: AbortSignal,
): Promise<Lease | 'refused'> {
  const { claim } = entry;
  const ask = () => waitFor(deps.queue(claim.queue).extend([claim]), limit);
  const since = leases.now();
  const refused = await untilAnswered(ask, limit).catch(() => undefined);
  if (refused !== undefined && refused.length > 0) return 'refused';
  const lease = refused === undefined ? leases.hold(claim) : leases.hold(claim, since);
  const attempt = reopenAttempt(entry, lease, deps);
  running.add(attempt, { slot: slots.occupy() }, () => resumeJob(attempt, entry, deps));
  return lease;
}

/** Waits until it is known whose the job is; when it is another's, until it has gone from here. */
async function decided(lease: Lease, { running }: RecoveryParts, signal: AbortSignal): Promise<void> {
  const isOurs = await waitFor(lease.sure(), signal).then(
    () => true,
    () => false,
  );
  if (!isOurs && !signal.aborted)
    await waitFor(running.ended(lease.attemptId), signal).catch(() => undefined);
}

async function persistently(
  run: () => Promise<void>,
  { deps }: RecoveryParts,
  signal: AbortSignal,
): Promise<void> {
  const onRetry = ({ error }: { error: unknown }) =>
    deps.log.warn({ err: error }, 'could not take back what a former process left; trying again');
  const options = { signal, attempts: Number.POSITIVE_INFINITY, baseMs: RETRY_MS, maxMs: RETRY_MS, onRetry };
  await retry(run, options).catch((error) => {
    if (!signal.aborted) throw error;
  });
}
