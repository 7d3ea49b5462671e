import { createHash } from 'node:crypto';
import type { Keys } from '@cronium/contracts';
import type { Redis } from 'ioredis';
import { ValkeyFullError } from '../errors.ts';
import { problems } from '../problems.ts';
import { replies, withValkey } from '../valkey/connection.ts';
import type { ValkeyRoom } from '../valkey/room.ts';
import type { NewJob } from './new-job.ts';

const KEY_SECONDS = 86_400;
const BATCH_SECONDS = 7 * 86_400;
const KEY = /^[\x21-\x7e](?:[\x20-\x7e]{0,198}[\x21-\x7e])?$/;

/**
 * Checks an `Idempotency-Key` header.
 * @throws HttpProblem 400 when it isn't 1 to 200 printable ASCII characters
 */
export function idempotencyKey(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (!KEY.test(header))
    throw problems.badHeader('Idempotency-Key', 'must be 1 to 200 printable ASCII characters');
  return header;
}

/** What was found under a key. */
export interface Claim {
  /** The key came before, with the same body. */
  readonly repeat: boolean;
  /** The trace of the job that first came with the key. */
  readonly traceId: string;
}

/** Remembers which requests came with a key. */
export class Idempotency {
  readonly #valkey: Redis;
  readonly #keys: Keys;
  readonly #room: ValkeyRoom;

  constructor(options: { valkey: Redis; keys: Keys; room: ValkeyRoom }) {
    this.#valkey = options.valkey;
    this.#keys = options.keys;
    this.#room = options.room;
  }

  /**
   * Takes the key for a body, for a day. Of any number of calls at once exactly one is no repeat.
   * @throws HttpProblem 422 when the key came with another body
   */
  async claim(request: { tenant: string; key: string; body: string; traceId: string }): Promise<Claim> {
    const hash = createHash('sha256').update(request.body).digest('hex');
    const name = this.#keys.idempotency(request.tenant, request.key);
    const before = await this.#note(name, `${hash}:${request.traceId}`, KEY_SECONDS);
    if (before === null) return { repeat: false, traceId: request.traceId };
    const [firstHash, traceId = request.traceId] = before.split(':');
    if (firstHash !== hash)
      throw problems.keyReused(
        'This key came with another job in the last 24 hours. Use a new key for a new job.',
      );
    return { repeat: true, traceId };
  }

  /** Notes whose batch this is. Returns true when it was known already. */
  async claimBatch(batchId: string, tenant: string): Promise<boolean> {
    return (await this.#note(this.#keys.batch(batchId), tenant, BATCH_SECONDS)) !== null;
  }

  /**
   * Notes what is in one chunk of a batch, so that a repeat can add what is missing, but nothing else.
   * @param chunk names the place, and the way of cutting, by which the same body always gives the same chunks
   * @throws HttpProblem 422 when the batch came before with something else at this place
   */
  async claimChunk(
    batchId: string,
    { chunk, jobs }: { chunk: string; jobs: readonly NewJob[] },
  ): Promise<void> {
    const hash = createHash('sha256');
    for (const { id, spec } of jobs) hash.update(id).update(spec ?? '');
    const digest = hash.digest('base64url').slice(0, 22);
    const name = this.#keys.batchChunks(batchId);
    const [, , before] = await withValkey(async () =>
      replies(
        await this.#valkey
          .pipeline()
          .hsetnx(name, chunk, digest)
          .expire(name, BATCH_SECONDS)
          .hget(name, chunk)
          .exec(),
      ),
    );
    if (before === digest) return;
    throw problems.keyReused(
      `This key came with another batch in the last 7 days: the jobs from line ${jobs[0]?.line} on are not the same. Use a new key for a new batch.`,
    );
  }

  /**
   * Sets what is not set yet. What is refused for want of room leaves no key behind; what is set already needs none.
   * @returns what was there before
   */
  async #note(name: string, value: string, seconds: number): Promise<string | null> {
    try {
      return await withValkey(async () => {
        await this.#room.take();
        return this.#valkey.set(name, value, 'EX', seconds, 'NX', 'GET');
      });
    } catch (error) {
      if (!(error instanceof ValkeyFullError)) throw error;
      const before = await withValkey(() => this.#valkey.get(name));
      if (before === null) throw error;
      return before;
    }
  }

  /** Which of these jobs has someone asked to cancel? They must not come back with a repeat. */
  async cancelled(jobIds: readonly string[], batchId?: string): Promise<Set<string>> {
    const names = jobIds.map((id) => this.#keys.cancel(id));
    const [ofBatch, ...ofJobs] = await withValkey(() =>
      this.#valkey.mget(
        batchId === undefined ? this.#keys.cancel('none') : this.#keys.cancelBatch(batchId),
        ...names,
      ),
    );
    return new Set(jobIds.filter((_, i) => typeof ofBatch === 'string' || typeof ofJobs[i] === 'string'));
  }
}
