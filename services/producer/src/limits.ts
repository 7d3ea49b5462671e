const MIB = 2 ** 20;

/** Everything that keeps memory and time bounded. */
export interface Limits {
  /** The longest body of a single job, and the longest line of a batch. */
  readonly jobBytes: number;
  /** The longest JSON batch. */
  readonly jsonBatchBytes: number;
  /** What a compressed NDJSON batch may expand to. */
  readonly inflatedBytes: number;
  /** The lines of a batch that may be wrong; with more, it is not what it was meant to be. */
  readonly rejectedLines: number;
  /** What an atomic batch may take on disk between its two passes. */
  readonly spoolBytes: number;
  /** Bodies that are read whole may hold this much memory together. */
  readonly bufferedBytes: number;
  /** Batches that are read at once. */
  readonly uploads: number;
  /** Jobs that go to the queue in one call; at most 1000, which is what one event may name. */
  readonly chunkJobs: number;
  /** Bytes of jobs in one call. */
  readonly chunkBytes: number;
  /** A body that is read whole must be there after this time. */
  readonly bodyMs: number;
  /** A streamed body must go on within this time. */
  readonly idleMs: number;
  /** Jobs that may wait in one queue. */
  readonly maxQueued: number;
}

export const DEFAULT_LIMITS: Limits = Object.freeze({
  jobBytes: 8 * MIB,
  jsonBatchBytes: 64 * MIB,
  inflatedBytes: 16 * 1024 * MIB,
  rejectedLines: 1_000_000,
  spoolBytes: 2 * 1024 * MIB,
  bufferedBytes: 256 * MIB,
  uploads: 16,
  chunkJobs: 200,
  chunkBytes: 4 * MIB,
  bodyMs: 60_000,
  idleMs: 60_000,
  maxQueued: 2_000_000,
});
