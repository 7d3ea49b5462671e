import { hostname } from 'node:os';
import { repeat } from '@cronium/lifecycle';
import { Keeper } from './accounts/keeper.ts';
import { mirrorApiKeys } from './auth/api-keys.ts';
import { type Deps, onEndedOf } from './deps.ts';
import { FlowRunner } from './flows/flow-runner.ts';
import { EventApplier } from './ingest/apply-events.ts';
import { Canceller } from './ingest/cancel.ts';
import { EventStream } from './ingest/event-stream.ts';
import { consumeEvents } from './ingest/events.ts';
import { followChanges } from './live/changes.ts';
import { readFleet } from './metrics.ts';
import { mirrorPreTasks } from './pre-tasks.ts';
import { foldTallies } from './queries/tallies.ts';
import { keepRetention } from './retention.ts';
import { resealStored } from './tools/reseal.ts';

/** How the background work of a results process is set up. */
export interface BackgroundOptions {
  /** How long an accepted job must have been missing in the queue before it is put back. */
  readonly forgottenAfterMs: number;
  readonly databaseUrl: string;
  readonly retentionDays: number;
  readonly auditRetentionDays: number;
}

const MIRROR_EVERY_MS = 60_000;
const KEEP_EVERY_MS = 15_000;
const FOLD_EVERY_MS = 5000;
/** While nothing changes, it is looked for what else is to be added up this often. */
const QUIET_MS = 30_000;
const RETENTION_EVERY_MS = 600_000;

/**
 * Starts what a results process does by itself: reading events, news for live readers, retention, and the copy of the
 * API keys. Resolves when all of it has ended, after `deps.signal` aborts; never rejects.
 */
export async function runBackground(deps: Deps, options: BackgroundOptions): Promise<void> {
  const { db, valkey, queues, keys, log, signal, changes, metrics } = deps;
  const isWorthFolding = changes.worthALook(QUIET_MS);
  const missing = metrics.counter('results_payloads_missing_total');
  readFleet(deps);
  const canceller = new Canceller({ db, valkey, queues, onEnded: onEndedOf(deps) });
  const flows = new FlowRunner({ db, queues, canceller, changes, log });
  const applier = new EventApplier({
    db,
    queues,
    canceller,
    flows,
    onMissing: (ids) => {
      missing.inc(ids.length);
      log.warn(
        { jobs: ids.slice(0, 10), count: ids.length },
        'accepted jobs are neither stored nor in the queue',
      );
    },
  });
  const stream = new EventStream(valkey, keys.events, `${hostname()}-${process.pid}-${Date.now()}`);
  const onError = (what: string) => (error: unknown) =>
    log.warn({ err: error }, `${what} failed; it is tried again`);
  const requeued = metrics.counter('results_jobs_requeued_total');
  const keeper = new Keeper({
    ...{ db, valkey, queues, canceller, log },
    graceMs: options.forgottenAfterMs,
    onRequeued: (count) => requeued.inc(count),
  });
  await Promise.all([
    repeat(() => keeper.round(), {
      everyMs: Math.min(KEEP_EVERY_MS, options.forgottenAfterMs),
      signal,
      onError: onError('looking for jobs that the queue has forgotten'),
    }),
    canceller.run(signal, onError('cancelling the jobs of a batch')),
    consumeEvents({ stream, applier, log, signal }),
    deps.traces?.run(signal),
    repeat(async () => void (isWorthFolding() && (await foldAll(deps))), {
      everyMs: FOLD_EVERY_MS,
      signal,
      onError: onError('adding up the tallies'),
    }),
    deps.webhooks.run(signal),
    flows.run(signal),
    followChanges(changes, { url: options.databaseUrl, log, signal }),
    repeat(async () => void (await resealStored(db, { box: deps.secrets, log })), {
      everyMs: RETENTION_EVERY_MS,
      signal,
      onError: onError('sealing values with the present key'),
    }),
    repeat(() => mirrorPreTasks(deps), {
      everyMs: MIRROR_EVERY_MS,
      signal,
      onError: onError('copying the pre-task scripts to Valkey'),
    }),
    repeat(() => mirrorApiKeys(db, valkey, keys), {
      everyMs: MIRROR_EVERY_MS,
      signal,
      onError: onError('copying the API keys to Valkey'),
    }),
    repeat(() => keepRetention(deps, options), {
      everyMs: RETENTION_EVERY_MS,
      signal,
      onError: onError('removing what is past retention'),
    }),
  ]);
}

async function foldAll({ db, signal }: Deps): Promise<void> {
  while (!signal.aborted && (await foldTallies(db, Date.now())));
}
