import { setTimeout as after } from 'node:timers/promises';
import { CroniumApiError } from '@cronium/client';
import type { JobState, JobView } from '@cronium/contracts';
import { type Context, note } from '../context.ts';
import { CommandError, EXIT, explain } from '../failure.ts';
import { notice, tellEnd, writeLog } from './follow.ts';

const TELL_WHY_AFTER_MS = 3000;
const CANCEL_WITHIN_MS = 5000;
/** A job has 10 s by default to end when it is told to. */
const END_WITHIN_MS = 12_000;
const NOT_STARTED: readonly JobState[] = ['queued', 'claimed', 'preparing'];

/**
 * Follows a job to its end; when it does not start soon, says once why. The first Ctrl-C or SIGTERM cancels it and waits a
 * little for its end, a second one leaves at once.
 */
export async function followToEnd(context: Context, id: string): Promise<JobView> {
  const client = context.client();
  const done = new AbortController();
  const signal = AbortSignal.any([context.signal, done.signal]);
  const end = (reason: unknown) => done.abort(reason);
  const restore = context.onInterrupt(() => void cancel(context, id, signal).then(end, end));
  void tellWhyItWaits(context, id, signal).catch(end);
  try {
    if (!context.json) await writeLog(context, id, { follow: true, signal });
    const ended = await client.waitForJob(id, { signal });
    await tellEnd(context, ended);
    return ended;
  } catch (error) {
    if (context.signal.aborted) throw left(`Left ${id} alone; it is being cancelled.`, error);
    throw error;
  } finally {
    restore();
    done.abort();
  }
}

/** Cancels a job and gives it some time to end, which who follows it sees; then gives what to leave it with. */
async function cancel(context: Context, id: string, signal: AbortSignal): Promise<CommandError> {
  await note(context, `Cancelling ${id}; Ctrl-C again to leave at once.`);
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(CANCEL_WITHIN_MS)]);
  try {
    await context.client().cancel(id, { signal: inTime });
  } catch (error) {
    signal.throwIfAborted();
    if (!hasEnded(error)) {
      const why = explain(error, undefined)?.split('\n')[0] ?? 'the fleet does not answer';
      return left(`${id} could not be cancelled and goes on: ${why}\nCancel it: cronium cancel ${id}`, error);
    }
  }
  await after(END_WITHIN_MS, undefined, { signal });
  return left(`Left ${id}, which is cancelled and has not ended yet. How it ended: cronium job ${id}`);
}

function hasEnded(error: unknown): boolean {
  return error instanceof CroniumApiError && error.status === 409;
}

function left(message: string, cause?: unknown): CommandError {
  return new CommandError(message, { cause, exitCode: EXIT.cancelled });
}

async function tellWhyItWaits(context: Context, id: string, signal: AbortSignal): Promise<void> {
  try {
    await after(TELL_WHY_AFTER_MS, undefined, { signal });
    const { state, explanation } = await context.client().why(id, { signal });
    if (NOT_STARTED.includes(state) && !context.json)
      await notice(context, `${id} is ${state}: ${explanation}`);
  } catch (error) {
    if (signal.aborted) return;
    const why = explain(error, undefined);
    if (why === undefined) throw error;
    if (!context.json) await notice(context, `${id}: why it waits is not known now. ${why.split('\n')[0]}`);
  }
}
