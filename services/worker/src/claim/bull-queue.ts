import { repeat, waitFor } from '@cronium/lifecycle';
import { createRedisBackend, ErrorCode, type IQueueBackend, Job, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { Marker } from './marker.ts';
import type { Fields, JobQueue, Keep, Lock, TakenJob, Taking } from './queue.ts';
import { retake } from './retake.ts';
import { StalledWatch } from './stalled.ts';

/** Losses are counted by this fleet itself; BullMQ must never fail a job for them. */
const NEVER = Number.MAX_SAFE_INTEGER;

export interface BullQueueOptions {
  readonly name: string;
  readonly prefix: string;
  readonly connection: Redis;
  readonly lockMs: number;
  readonly stalledCheckMs: number;
  readonly node: string;
  onError(error: unknown): void;
}

/**
 * One BullMQ queue. The backend is used directly because `getNextJob` parses a job's data after it has taken it: a
 * corrupt payload would throw there and leave the job locked and unnamed.
 */
export class BullQueue implements JobQueue {
  readonly name: string;
  readonly #worker: Worker;
  readonly #backend: IQueueBackend;
  readonly #connection: Redis;
  readonly #marker: Marker;
  readonly #lockMs: number;
  readonly #stalledCheckMs: number;
  readonly #onError: (error: unknown) => void;

  constructor(options: BullQueueOptions) {
    const { name, prefix, connection, lockMs, stalledCheckMs, node, onError } = options;
    this.name = name;
    this.#connection = connection;
    this.#lockMs = Math.round(lockMs);
    this.#stalledCheckMs = stalledCheckMs;
    this.#onError = onError;
    const workerOptions = {
      connection,
      prefix,
      name: node,
      autorun: false,
      lockDuration: this.#lockMs,
      stalledInterval: Math.round(stalledCheckMs),
      maxStalledCount: NEVER,
    };
    // Without a connection of BullMQ's own for waits: the marker has it.
    this.#worker = new Worker(name, null, workerOptions, (queue, all) => createRedisBackend(queue, all));
    this.#worker.on('error', onError);
    this.#marker = new Marker({ key: this.#worker.keys.marker ?? '', connection, onError });
    this.#backend = this.#worker.getBackend();
  }

  /** Puts jobs whose worker fell silent back into the queue, on a timer, until the signal aborts. Never rejects. */
  async watchStalled(signal: AbortSignal): Promise<void> {
    const watch = new StalledWatch({
      lockMs: this.#lockMs,
      ping: () => this.#connected().ping(),
      moveStalled: () => this.moveStalled(),
    });
    const broken = () => watch.broken();
    this.#connection.on('close', broken);
    const options = {
      everyMs: this.#stalledCheckMs,
      signal,
      onError: (error: unknown) => this.#onError(error),
    };
    await repeat(() => waitFor(watch.look(), signal), options);
    this.#connection.off('close', broken);
  }

  /** Puts jobs without a lock back, once: those that were active at the time before, too. */
  async moveStalled(): Promise<void> {
    await this.#backend.moveStalledJobsToWait();
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
    return this.#marker.take(milliseconds);
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
    await this.#marker.put();
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
  async complete(id: string, token: string, keep: Keep): Promise<boolean> {
    const job = new Job(this.#worker, 'job', null, { removeOnComplete: keep }, id);
    return whileOurs(() => this.#backend.moveToCompleted(job, 'null', keep, token, false));
  }

  /** Puts a job back for later and writes the fields. @returns false when its lock is not ours any more */
  async putBack(id: string, token: string, delayMs: number, fieldsToUpdate: Fields): Promise<boolean> {
    const delay = Math.max(0, Math.round(delayMs));
    const options = { skipAttempt: true, fieldsToUpdate };
    return whileOurs(() => this.#backend.moveToDelayed(id, Date.now(), delay, token, options));
  }

  async close(): Promise<void> {
    this.#marker.close();
    await this.#worker.close(true);
  }
}

function takenFrom(id: string, json: Record<string, unknown>): TakenJob {
  const { data, attemptsStarted, opts } = json;
  const keep = (opts as { removeOnComplete?: Keep } | undefined)?.removeOnComplete;
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
