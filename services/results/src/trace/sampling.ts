import type { JobRow } from '../queries/jobs-read.ts';

/** Which traces are sent to the collector. */
export interface SamplingRule {
  /** The share of unremarkable traces, 0 to 1. */
  readonly ratio: number;
  /** A job that took longer from submit to end is always sent. */
  readonly slowMs: number;
}

type Job = Pick<JobRow, 'state' | 'attempt' | 'trace_id' | 'received_ms' | 'ended_ms'>;

/**
 * Is the trace of this ended job sent? Always when it did not succeed, was tried again or was slow; else by its trace
 * id, so that all jobs of a trace, and whoever else samples by the same rule, decide alike: the last 14 hex digits are
 * random (https://www.w3.org/TR/trace-context-2/#random-trace-id-flag).
 */
export function isSampled(job: Job, { ratio, slowMs }: SamplingRule): boolean {
  if (job.state !== 'succeeded' || job.attempt > 1) return true;
  if (job.ended_ms === null || job.ended_ms - job.received_ms > slowMs) return true;
  return Number.parseInt(job.trace_id.slice(-14), 16) / 2 ** 56 >= 1 - ratio;
}
