import { join } from 'node:path';
import type { LogPosition } from '@cronium/contracts';
import { AttemptLog } from '../logs/attempt-log.ts';
import type { Attempt } from './attempt.ts';
import type { AttemptDeps } from './deps.ts';

/** Opens the attempt's way to results, from the beginning or from where results has it. */
export function openLog(attempt: Attempt, { limits, shipper }: AttemptDeps, from?: LogPosition): AttemptLog {
  return new AttemptLog({
    attemptId: attempt.id,
    day: attempt.claim.day,
    maxBytes: limits.logMaxBytes,
    shipper,
    spoolFolder: join(limits.spoolFolder, attempt.id),
    ...(from === undefined ? {} : { from }),
  });
}
