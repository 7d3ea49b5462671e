import type { FleetEvent } from '@cronium/contracts';
import { pause, pauseBefore } from '@cronium/lifecycle';
import type { Logger } from '@cronium/telemetry';
import type { EventApplier } from './apply-events.ts';
import type { EventStream, StreamEntry } from './event-stream.ts';

const BLOCK_MS = 2000;
const CLAIM_EVERY_MS = 5000;

/** What {@link consumeEvents} needs. */
export interface ConsumeOptions {
  readonly stream: EventStream;
  readonly applier: EventApplier;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/**
 * Reads the events of producers until the signal aborts. What was read is stored before it is acknowledged; while
 * PostgreSQL or Valkey is away it waits and tries again. Never rejects.
 */
export async function consumeEvents(options: ConsumeOptions): Promise<void> {
  const { stream, log, signal } = options;
  const stop = () => stream.close();
  signal.addEventListener('abort', stop, { once: true });
  let failures = 0;
  let prepared = false;
  let claimAt = 0;
  while (!signal.aborted) {
    try {
      if (!prepared) await stream.prepare();
      prepared = true;
      if (performance.now() >= claimAt) {
        await handle(await stream.claimDead(), options);
        await stream.forgetDead();
        claimAt = performance.now() + CLAIM_EVERY_MS;
      }
      await handle(await stream.read(BLOCK_MS), options);
      failures = 0;
    } catch (error) {
      if (signal.aborted) break;
      prepared = false;
      failures += 1;
      log.warn({ err: error, failures }, 'events could not be stored; they wait in Valkey');
      await pause(pauseBefore(failures + 1, { maxMs: 2000 }), signal).catch(() => undefined);
    }
  }
  signal.removeEventListener('abort', stop);
}

/** Stores entries and acknowledges them. */
async function handle(entries: readonly StreamEntry[], options: ConsumeOptions): Promise<void> {
  if (entries.length === 0) return;
  const events: FleetEvent[] = [];
  for (const { id, event, text } of entries) {
    if (event !== undefined) events.push(event);
    else
      options.log.error(
        { id, text: text.slice(0, 500) },
        'an entry of the events stream is not an event; dropped',
      );
  }
  await options.applier.apply(events);
  await options.stream.done(entries.map(({ id }) => id));
}
