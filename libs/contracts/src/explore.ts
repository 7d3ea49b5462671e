import { z } from 'zod';
import { jobState, terminalState } from './states.ts';

/** Two points of a distribution, in milliseconds, each within 2.5 %; null when nothing was measured. */
const quantiles = z.object({ p50: z.number().nullable(), p95: z.number().nullable() });
export type Quantiles = z.infer<typeof quantiles>;

/** Ended jobs by terminal state. */
const ends = z.record(terminalState, z.int());

/** A slice of time of the overview. */
export const overviewBucket = z.object({
  /** When it begins, Unix ms. */
  at: z.number(),
  accepted: z.int(),
  ended: ends,
  /** Jobs that waited for a worker at its end. */
  waiting: z.int(),
  /** From the queue to the first instruction of the main phase. */
  start: quantiles,
  /** The main phase. */
  run: quantiles,
});
export type OverviewBucket = z.infer<typeof overviewBucket>;

/** `GET /v1/overview?minutes=`: how the fleet did in the last minutes, and how it stands. */
export const overviewView = z.object({
  from: z.number(),
  to: z.number(),
  bucketMs: z.number(),
  buckets: z.array(overviewBucket),
  totals: z.object({ accepted: z.int(), ended: ends, start: quantiles, run: quantiles }),
  /** What the failures of the time had for a cause, the most frequent first. */
  causes: z.array(z.object({ state: jobState, cause: z.string().nullable(), jobs: z.int() })),
  now: z.object({
    waiting: z.int(),
    delayed: z.int(),
    active: z.int(),
    slots: z.int(),
    busy: z.int(),
    nodes: z.object({ ready: z.int(), total: z.int() }),
  }),
});
export type OverviewView = z.infer<typeof overviewView>;

const failureGroup = z.object({
  state: terminalState,
  cause: z.string().nullable(),
  exitCode: z.int().nullable(),
  jobs: z.int(),
  /** What the newest of them says. */
  message: z.string().nullable(),
  /** The newest few. */
  examples: z.array(z.object({ id: z.string(), name: z.string() })),
});

/** `GET /v1/batches/{id}/failures`: jobs of a batch that did not succeed, by what ended them; most frequent first. */
export const batchFailures = z.object({ groups: z.array(failureGroup) });
export type BatchFailures = z.infer<typeof batchFailures>;

/** `GET /v1/jobs/{id}/logs/matches`: which lines of a log a search finds. */
export const logMatches = z.object({
  /** Runs of neighbouring lines, first and last number of each. */
  runs: z.array(z.tuple([z.int(), z.int()])),
  /** The last line that was looked at; the search goes on with `after` set to it. */
  searched: z.int(),
  /** True when the log, as far as it is stored, was searched to its end. */
  complete: z.boolean(),
});
export type LogMatches = z.infer<typeof logMatches>;

/** `GET /v1/jobs/{id}/logs/line?at=`. */
export const logLineAt = z.object({ attempt: z.int(), line: z.int().nonnegative() });
export type LogLineAt = z.infer<typeof logLineAt>;

/** `GET /v1/session`: who the key or the cookie of a request belongs to. */
export const sessionView = z.object({
  name: z.string(),
  tenant: z.string(),
  role: z.enum(['admin', 'submitter', 'reader']),
});
export type SessionView = z.infer<typeof sessionView>;
