import { repeat } from '@cronium/lifecycle';
import { ErrorCode, type IQueueBackend, Job, type KeepJobs, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Held } from './leases.ts';
import { retake } from './retake.ts';
import { StalledWatch } from './stalled.ts';

/** Losses are counted by this fleet itself; BullMQ must never fail a job for them. */
const NEVER = Number.MAX_SAFE_INTEGER;

/** A job as it was taken from the queue, its data not read yet. */
export interface TakenJob {
  readonly id: string;
  /** The payload as it stands in Valkey; anything may be in it. */
  readonly data: string;
  /** How often the job was taken, this time included. */
  readonly started: number;
  readonly keep: KeepJobs | boolean | number;
}

/** What {@link JobQueue.take} found. */
export type Taking =
  | { readonly type: 'job'; readonly job: TakenJob }
  /** Nothing is there; the next delayed job is due at `nextAt` (Unix ms), when there is one. */
  | { readonly type: 'empty'; readonly nextAt: number | undefined };

export interface JobQueueOptions {
  readonly name: string;
  readonly prefix: string;
  readonly connection: Redis;
  readonly lockMs: number;
  readonly stalledCheckMs: number;
  readonly node: string;
  onError(error: unknown): void;
}

/** A lock as it is extended. */
export type Lock = Pick<Held, 'jobId' | 'token' | 'started'>;

/**
 * Fields of a job's hash that change together with its move. They are written by the same script that checks the lock.
 */
export type Fields = Readonly<Record<string, string | number>>;

/**
 * One BullMQ queue as a worker needs it: every change of a job names the lock's token and is refused by the store when
 * another holds it. The backend is used directly because `getNextJob` parses a job's data after it has taken it: a
 * corrupt payload would throw there and leave the job locked and unnamed.
 */
export class JobQueue {
  readonly name: string;
  readonly #worker: Worker;
  readonly #backend: IQueueBackend;
  readonly #connection: Redis;
  readonly #lockMs: number;
  readonly #stalledCheckMs: number;
  readonly #onError: (error: unknown) => void;

  constructor(options: JobQueueOptions) {
    const { name, prefix, connection, lockMs, stalledCheckMs, node, onError } = options;
    this.name = name;
    this.#connection = connection;
    this.#lockMs = Math.round(lockMs);
    this.#stalledCheckMs = stalledCheckMs;
    this.#onError = onError;
    this.#worker = new Worker(name, null, {
      connection,
      prefix,
      name: node,
      autorun: false,
      lockDuration: this.#lockMs,
      stalledInterval: Math.round(stalledCheckMs),
      maxStalledCount: NEVER,
    });
    this.#worker.on('error', onError);
    this.#backend = this.#worker.getBackend();
  }

  /** Puts jobs whose worker fell silent back into the queue, on a timer, until the signal aborts. Never rejects. */
  async watchStalled(signal: AbortSignal): Promise<void> {
    const watch = new StalledWatch({
      lockMs: this.#lockMs,
      ping: () => this.#connected().ping(),
      moveStalled: () => this.#backend.moveStalledJobsToWait(),
    });
    const broken = () => watch.broken();
    this.#connection.on('close', broken);
    const options = {
      everyMs: this.#stalledCheckMs,
      signal,
      onError: (error: unknown) => this.#onError(error),
    };
    await repeat(() => watch.look(), options);
    this.#connection.off('close', broken);
  }

  /** Nothing is left in a queue of its own for a connection that is not there. */
  #connected(): Redis {
    if (this.#connection.status === 'ready') return this.#connection;
    throw new Error(`there is no connection to Valkey (${this.#connection.status})`);
  }

  /** Takes the next job and locks it with the token. Does not wait. */
  async take(token: string): Promise<Taking> {
    try {
      const [json, id, , nextAt] = await this.#backend.moveToActive(token, this.#worker.opts.name);
      if (!json || !id) return { type: 'empty', nextAt: Number(nextAt) > 0 ? Number(nextAt) : undefined };
      return { type: 'job', job: takenFrom(String(id), json) };
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      return { type: 'job', job: await this.#findCorrupt(token, error) };
    }
  }

  /** BullMQ could not read the job's options, after it had locked the job: it is found by our token. */
  async #findCorrupt(token: string, cause: SyntaxError): Promise<TakenJob> {
    const active = await this.#connection.lrange(this.#worker.keys.active ?? '', 0, -1);
    for (const id of active) {
      const held = await this.#connection.get(`${this.#worker.toKey(id)}:lock`);
      if (held !== token) continue;
      const started = Number(await this.#connection.hget(this.#worker.toKey(id), 'ats'));
      return { id, data: '', started, keep: true };
    }
    throw cause;
  }

  /**
   * Waits until a job may be there, at most this long.
   * @returns the time (Unix ms) from which it is there, 0 for now; `undefined` when time is up
   */
  async waitForWork(milliseconds: number): Promise<number | undefined> {
    const marker = await this.#backend.waitForJob(milliseconds / 1000);
    return marker === null ? undefined : marker.score;
  }

  /** The payloads of the next jobs, at most this many, as they stand in Valkey. Takes none of them. */
  async peek(count: number): Promise<readonly string[]> {
    const { keys } = this.#worker;
    const [urgent, waiting] = await Promise.all([
      this.#connection.zrange(keys.prioritized ?? '', '0', String(count - 1)),
      this.#connection.lrange(keys.wait ?? '', -count, -1),
    ]);
    const ids = [...waiting.toReversed(), ...urgent].slice(0, count);
    const payloads = await Promise.all(
      ids.map((id) => this.#connection.hget(this.#worker.toKey(id), 'data')),
    );
    return payloads.filter((payload) => payload !== null);
  }

  /** Wakes another worker for what `waitForWork` announced and this one will not take. */
  async passOn(): Promise<void> {
    await this.#connection.zadd(this.#worker.keys.marker ?? '', 0, '0');
  }

  /**
   * Extends the locks of these jobs. One that has run out is set again where nobody took the job since.
   * @returns the ids of those that are not ours any more
   */
  async extend(held: readonly Lock[]): Promise<readonly string[]> {
    this.#connected();
    const ids = held.map(({ jobId }) => jobId);
    const tokens = held.map(({ token }) => token);
    const late = new Set(await this.#worker.extendJobLocks(ids, tokens, this.#lockMs));
    const gone = await Promise.all(
      held
        .filter(({ jobId }) => late.has(jobId))
        .map(async (one) => ((await this.#retake(one)) ? [] : [one])),
    );
    return gone.flat().map(({ jobId }) => jobId);
  }

  #retake({ jobId, token, started }: Lock): Promise<boolean> {
    const { active = '', stalled = '' } = this.#worker.keys;
    const keys = { active, stalled, job: this.#worker.toKey(jobId) };
    return retake(this.#connected(), { jobId, token, started, lockMs: this.#lockMs, keys });
  }

  /** Takes an ended job out of the queue. @returns false when its lock is not ours any more */
  async complete(id: string, token: string, keep: KeepJobs | boolean | number): Promise<boolean> {
    const job = new Job(this.#worker, 'job', null, { removeOnComplete: keep }, id);
    return whileOurs(() => this.#backend.moveToCompleted(job, 'null', keep, token, false));
  }

  /** Puts a job back for later and writes the fields. @returns false when its lock is not ours any more */
  async putBack(id: string, token: string, delayMs: number, fieldsToUpdate: Fields): Promise<boolean> {
    const delay = Math.max(0, Math.round(delayMs));
    const options = { skipAttempt: true, fieldsToUpdate };
    return whileOurs(() => this.#backend.moveToDelayed(id, Date.now(), delay, token, options));
  }

  /** How an ended job is to be kept, as the producer asked. */
  async keepOf(id: string): Promise<KeepJobs | boolean | number> {
    const opts = await this.#connection.hget(this.#worker.toKey(id), 'opts');
    try {
      return (JSON.parse(opts ?? '{}') as { removeOnComplete?: KeepJobs }).removeOnComplete ?? true;
    } catch {
      return true;
    }
  }

  async close(): Promise<void> {
    await this.#worker.close(true);
  }
}

function takenFrom(id: string, json: Record<string, unknown>): TakenJob {
  const { data, attemptsStarted, opts } = json;
  const keep = (opts as { removeOnComplete?: KeepJobs | boolean | number } | undefined)?.removeOnComplete;
  return {
    id,
    data: typeof data === 'string' ? data : '',
    started: Number(attemptsStarted) || 1,
    keep: keep ?? true,
  };
}

const NOT_OURS: ReadonlySet<unknown> = new Set([
  ErrorCode.JobNotExist,
  ErrorCode.JobLockNotExist,
  ErrorCode.JobLockMismatch,
  ErrorCode.JobNotInState,
]);

async function whileOurs(move: () => Promise<unknown>): Promise<boolean> {
  try {
    await move();
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && NOT_OURS.has(error.code)) return false;
    throw error;
  }
}
