import type { KeepJobs } from 'bullmq';
import type { Held } from './leases.ts';

/** How an ended job is kept in its queue. */
export type Keep = KeepJobs | boolean | number;

/** A job as it was taken from the queue, its data not read yet. */
export interface TakenJob {
  readonly id: string;
  /** The payload as it stands in Valkey; anything may be in it. */
  readonly data: string;
  /** How often the job was taken, this time included. */
  readonly started: number;
  readonly keep: Keep;
}

/** What {@link JobQueue.take} found. */
export type Taking =
  | { readonly type: 'job'; readonly job: TakenJob }
  /** Nothing is there; the next delayed job is due at `nextAt` (Unix ms), when there is one. */
  | { readonly type: 'empty'; readonly nextAt: number | undefined };

/** A lock as it is extended. */
export type Lock = Pick<Held, 'jobId' | 'token' | 'started'>;

/**
 * Fields of a job's hash that change together with its move. They are written by the same script that checks the lock.
 */
export type Fields = Readonly<Record<string, string | number>>;

/**
 * One queue as a worker needs it: every change of a job names the lock's token and is refused by the store when another
 * holds it. A call whose answer is lost may have been carried out; to repeat it does no harm. Calls may wait for a store
 * that is away.
 */
export interface JobQueue {
  readonly name: string;
  /** Puts jobs whose worker fell silent back into the queue, on a timer, until the signal aborts. Never rejects. */
  watchStalled(signal: AbortSignal): Promise<void>;
  /** Takes the next job and locks it with the token. Does not wait for one. */
  take(token: string): Promise<Taking>;
  /**
   * Waits until a job may be there, at most this long.
   * @returns the time (Unix ms) from which it is there, 0 for now; `undefined` when time is up
   * @throws when the wait breaks; what it was woken for may be lost with it, so that `take` comes next
   */
  waitForWork(milliseconds: number): Promise<number | undefined>;
  /** The payloads of the next jobs, at most this many, as they stand in the store. Takes none of them. */
  peek(count: number): Promise<readonly string[]>;
  /** Wakes another worker for what `waitForWork` announced and this one will not take. */
  passOn(): Promise<void>;
  /**
   * Extends the locks of these jobs. One that has run out is set again where nobody took the job since.
   * @returns the ids of those that are not ours any more
   */
  extend(held: readonly Lock[]): Promise<readonly string[]>;
  /** Takes an ended job out of the queue. @returns false when its lock is not ours any more */
  complete(id: string, token: string, keep: Keep): Promise<boolean>;
  /** Puts a job back for later and writes the fields. @returns false when its lock is not ours any more */
  putBack(id: string, token: string, delayMs: number, fields: Fields): Promise<boolean>;
  close(): Promise<void>;
}
