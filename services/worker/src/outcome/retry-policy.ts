import type { JobSpec, Outcome } from '@cronium/contracts';
import type { History } from '../claim/claim.ts';

/** Losses of infrastructure are tried again this often, whatever the job's own policy says (DESIGN section 4). */
export const MAX_LOSS_RETRIES = 3;
const LONGEST_DELAY_MS = 86_400_000;
const LONGEST_LOSS_DELAY_MS = 30_000;

/** What follows an attempt's end. `history` counts this attempt in. */
export type Decision =
  | { readonly final: true; readonly history: History }
  | { readonly final: false; readonly delayMs: number; readonly history: History };

export interface DecisionInput {
  readonly retry: JobSpec['retry'];
  readonly outcome: Outcome;
  /** The attempt that ended. */
  readonly attempt: number;
  /** Before this attempt's end. */
  readonly history: History;
  /** An end that no further attempt can change, such as an unreadable payload. */
  readonly hopeless?: boolean;
}

/** Decides whether a job ends with this attempt, or when it is tried again. Pure. */
export function decide({ retry, outcome, attempt, history, hopeless = false }: DecisionInput): Decision {
  const { state } = outcome;
  const failures = history.failures + (state === 'failed' || state === 'timed_out' ? 1 : 0);
  const losses = history.losses + (state === 'lost' ? 1 : 0);
  const counted: History = { reported: attempt, failures, losses };
  const delayMs = hopeless ? undefined : delayAfter(retry, outcome, counted);
  return delayMs === undefined
    ? { final: true, history: counted }
    : { final: false, delayMs, history: counted };
}

/** `undefined`: not again. */
function delayAfter(
  retry: JobSpec['retry'],
  { state, death }: Outcome,
  counted: History,
): number | undefined {
  switch (state) {
    case 'succeeded':
    case 'cancelled':
      return undefined;
    case 'lost':
      if (counted.losses > MAX_LOSS_RETRIES) return undefined;
      return Math.min(LONGEST_LOSS_DELAY_MS, 1000 * 2 ** (counted.losses - 1));
    case 'failed':
    case 'timed_out': {
      if (counted.failures >= retry.attempts) return undefined;
      // The causes are failures of the job's own, and have names of their own in the policy too.
      const reasons: readonly (string | undefined)[] = [state, death?.cause];
      const wanted = retry.on.some((reason) => reasons.includes(reason));
      return wanted ? backoff(retry.backoff, counted.failures) : undefined;
    }
  }
}

function backoff({ type, delaySeconds }: JobSpec['retry']['backoff'], failures: number): number {
  const factor = type === 'exponential' ? 2 ** Math.min(failures - 1, 32) : 1;
  return Math.min(LONGEST_DELAY_MS, delaySeconds * 1000 * factor);
}

/** Have more workers been lost with this job than it may have? Asked before it is run again. */
export function isLostTooOften(history: History): boolean {
  return history.losses > MAX_LOSS_RETRIES;
}
