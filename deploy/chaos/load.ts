import { setTimeout as pause } from 'node:timers/promises';
import { acceptedBatch, acceptedJob, jobIdForLine } from '@cronium/contracts';
import { type ChaosJob, cancelledJob, drawJob, type EffectsAddress } from './jobs.ts';
import type { Random } from './random.ts';

/** Where a load goes. */
export interface LoadTarget {
  readonly producerUrl: string;
  readonly apiKey: string;
  readonly effects: EffectsAddress;
}

export interface LoadOptions {
  readonly random: Random;
  readonly signal: AbortSignal;
  /** How many accepted jobs have not ended yet. */
  open(): Promise<number>;
  /** No more is submitted while so many are open. */
  readonly mostOpen: number;
}

/** What was answered 202, by the job's id. */
export type Accepted = ReadonlyMap<string, ChaosJob>;

const TRY_MS = 5000;
const AGAIN_MS = 250;
const BUSY_MS = 200;

/** Submits jobs, alone and in batches, until told to stop. Each request carries a key and is repeated until it is answered. */
export class Load {
  readonly accepted = new Map<string, ChaosJob>();
  /** Answers of repeated requests that named another job than the first answer. */
  readonly contradictions: string[] = [];
  #requests = 0;
  readonly #target: LoadTarget;

  constructor(target: LoadTarget) {
    this.#target = target;
  }

  /** Runs until the signal aborts; a request that is under way then is brought to its answer. */
  async run({ random, signal, open, mostOpen }: LoadOptions): Promise<void> {
    while (!signal.aborted) {
      if ((await open()) >= mostOpen) {
        await pause(BUSY_MS);
        continue;
      }
      const drawn = random.next();
      if (drawn < 0.1) await this.#cancelled(random);
      else if (drawn < 0.25) await this.#batch(random);
      else await this.#one(random);
      await pause(random.whole(0, 300));
    }
  }

  async #one(random: Random): Promise<void> {
    const job = drawJob(random, this.#target.effects);
    const key = this.#key(random);
    const { id } = acceptedJob.parse(await this.#post('/v1/jobs', JSON.stringify(job.spec), key));
    this.accepted.set(id, job);
    if (!random.chance(0.1)) return;
    const again = acceptedJob.parse(await this.#post('/v1/jobs', JSON.stringify(job.spec), key));
    if (again.id !== id) this.contradictions.push(`${key}: first ${id}, then ${again.id}`);
  }

  async #cancelled(random: Random): Promise<void> {
    const job = cancelledJob(random);
    const answer = await this.#post('/v1/jobs', JSON.stringify(job.spec), this.#key(random));
    const { id } = acceptedJob.parse(answer);
    this.accepted.set(id, job);
    await pause(random.whole(0, 4000));
    await this.#post(`/v1/jobs/${id}/cancel`, '{}', undefined);
  }

  /** Submits all of these as one batch. */
  async all(jobs: readonly ChaosJob[], random: Random): Promise<void> {
    const body = jobs.map(({ spec }) => `${JSON.stringify(spec)}\n`).join('');
    const answer = await this.#post('/v1/batches', body, this.#key(random), 'application/x-ndjson');
    const { batchId, accepted } = acceptedBatch.parse(answer);
    if (accepted !== jobs.length)
      this.contradictions.push(`${batchId}: ${accepted} of ${jobs.length} accepted`);
    for (const [n, job] of jobs.entries()) this.accepted.set(jobIdForLine(batchId, n + 1), job);
  }

  #batch(random: Random): Promise<void> {
    const drawn = Array.from({ length: random.whole(2, 12) }, () => drawJob(random, this.#target.effects));
    // They take turns in a container then.
    return this.all(random.chance(0.5) ? drawn.map(sharing) : drawn, random);
  }

  #key(random: Random): string {
    this.#requests += 1;
    return `chaos-${this.#requests}-${random.whole(0, 1_000_000_000)}`;
  }

  async #post(
    path: string,
    body: string,
    key: string | undefined,
    type = 'application/json',
  ): Promise<unknown> {
    const headers = {
      authorization: `Bearer ${this.#target.apiKey}`,
      'content-type': type,
      ...(key !== undefined && { 'idempotency-key': key }),
    };
    for (;;) {
      try {
        const signal = AbortSignal.timeout(TRY_MS);
        const init = { method: 'POST', headers, body, signal };
        const response = await fetch(`${this.#target.producerUrl}${path}`, init);
        if (response.ok) return await response.json();
        const text = await response.text();
        if (response.status < 500 && response.status !== 429)
          throw new RefusedError(`${path} was answered ${response.status}: ${text}`);
      } catch (error) {
        if (error instanceof RefusedError) throw error;
        // No answer: the producer or what is behind it is broken at the moment.
      }
      await pause(AGAIN_MS);
    }
  }
}

function sharing(job: ChaosJob): ChaosJob {
  return { ...job, spec: { ...job.spec, isolation: 'batch' } };
}

/** Thrown when the producer finds fault with a request that is right. */
class RefusedError extends Error {
  override readonly name = 'RefusedError';
  readonly code = 'REFUSED';
}
