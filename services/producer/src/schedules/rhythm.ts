import type { Schedule } from '@cronium/contracts';
import { CronExpressionParser } from 'cron-parser';

/** Thrown when a cron expression cannot be understood, or never comes true. */
export class RhythmError extends Error {
  override readonly name = 'RhythmError';
  readonly code = 'RHYTHM';
}

type Rhythm = Pick<Schedule, 'cron' | 'timeZone' | 'everySeconds'>;

/**
 * The first time after `afterMs` at which the schedule is due, Unix ms. Intervals count from `sinceMs`. In the hour that
 * a time zone's clocks skip, a time of day is due right after the change; in the hour that comes twice, once.
 * @throws RhythmError
 */
export function nextTime(rhythm: Rhythm, { afterMs, sinceMs }: { afterMs: number; sinceMs: number }): number {
  const { cron, timeZone, everySeconds } = rhythm;
  if (everySeconds !== undefined) {
    const everyMs = everySeconds * 1000;
    return sinceMs + (Math.floor(Math.max(0, afterMs - sinceMs) / everyMs) + 1) * everyMs;
  }
  try {
    const expression = CronExpressionParser.parse(cron ?? '', {
      currentDate: new Date(afterMs),
      tz: timeZone,
    });
    return expression.next().getTime();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new RhythmError(`is not a cron expression that comes true: ${why}`, { cause: error });
  }
}

/** The times that are due from `fromMs` (itself due) to `untilMs`, oldest first, at most `limit`; and the one that follows them. */
export function dueTimes(
  rhythm: Rhythm,
  { fromMs, untilMs, sinceMs, limit }: { fromMs: number; untilMs: number; sinceMs: number; limit: number },
): { readonly due: readonly number[]; readonly nextMs: number } {
  const due: number[] = [];
  let at = fromMs;
  while (at <= untilMs && due.length < limit) {
    due.push(at);
    at = nextTime(rhythm, { afterMs: at, sinceMs });
  }
  return { due, nextMs: at };
}

/** A time that is older was missed, and not only late. */
export const MISSED_AFTER_MS = 60_000;

/** Which of the due times are run. */
export function timesToRun(
  due: readonly number[],
  { catchUp, nowMs }: { catchUp: Schedule['catchUp']; nowMs: number },
): readonly number[] {
  if (catchUp === 'all') return due;
  const fresh = due.filter((at) => nowMs - at <= MISSED_AFTER_MS);
  return fresh.length === 0 && catchUp === 'last' ? due.slice(-1) : fresh;
}
