import { Lifecycle } from './lifecycle.ts';
import { SpareMemory } from './spare-memory.ts';
import { deadline, waitFor } from './wait.ts';

/** The part of a logger that is needed here; pino's fits. */
export interface ServiceLog {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** How {@link runService} runs. */
export interface RunServiceOptions {
  readonly log: ServiceLog;
  /** How long a shutdown may take in all. Default 30,000. */
  readonly shutdownMs?: number;
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/**
 * Runs a service until a signal, and ends the process.
 *
 * `main` acquires and registers with the lifecycle, and returns when the service is up. SIGTERM or SIGINT aborts
 * `lifecycle.signal`, waits for a `main` that still starts, releases all, and exits with 0 (1 when a release failed). A second
 * signal exits with 1 at once. A `main` that throws, `lifecycle.fail`, and any unhandled error are logged, and the
 * process releases all and exits with 1. Memory that the service does not need any more goes back to the system when it is quiet.
 */
export async function runService(
  main: (lifecycle: Lifecycle) => Promise<void>,
  { log, shutdownMs = 30_000 }: RunServiceOptions,
): Promise<never> {
  const lifecycle = new Lifecycle({ deadlineMs: shutdownMs });
  using _memory = new SpareMemory();
  const stop = stopRequests(lifecycle, log);
  const starting = main(lifecycle);
  starting.catch((error) => stop.fail(error, 'the service could not start'));
  const { reason, exitCode } = await stop.requested;
  lifecycle.requestStop(reason);
  log.info({ reason }, 'stopping');
  await settled(starting, shutdownMs);
  const report = await lifecycle.shutdown(reason);
  for (const { name, error } of report.failed) log.error({ err: error, resource: name }, 'a release failed');
  const code = report.failed.length > 0 ? 1 : exitCode;
  log.info({ reason, released: report.released, exitCode: code }, 'stopped');
  process.exit(code);
}

interface StopRequest {
  readonly reason: string;
  readonly exitCode: number;
}

/** Listens for all that ends a service; the first one counts, later signals force the exit. */
function stopRequests(lifecycle: Lifecycle, log: ServiceLog) {
  const { promise: requested, resolve } = Promise.withResolvers<StopRequest>();
  const fail = (error: unknown, message: string) => {
    if (lifecycle.signal.aborted && error === lifecycle.signal.reason) return;
    log.error({ err: error }, message);
    resolve({ reason: message, exitCode: 1 });
  };
  let signals = 0;
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      signals += 1;
      if (signals > 1) {
        log.error({ signal }, 'a second signal: exiting at once');
        process.exit(1);
      }
      resolve({ reason: signal, exitCode: 0 });
    });
  }
  process.on('uncaughtException', (error) => fail(error, 'an error that nothing handled'));
  process.on('unhandledRejection', (error) => fail(error, 'a rejection that nothing handled'));
  lifecycle.failure.then((error) => fail(error, 'the service can not go on'));
  return { requested, fail };
}

async function settled(starting: Promise<void>, milliseconds: number): Promise<void> {
  using limit = deadline(milliseconds, 'the start did not end');
  await waitFor(starting, limit).catch(() => undefined);
}
