import type { BlockList } from 'node:net';
import { hidePasswords, ranges } from '@cronium/contracts';
import { deadline, pause, pauseBefore, waitFor } from '@cronium/lifecycle';
import type { Logger, Metrics } from '@cronium/telemetry';
import type { Kysely } from 'kysely';
import { type SecretBox, UnsealError } from '../auth/secret-box.ts';
import type { Database, WebhookDeliveriesTable } from '../db/schema.ts';
import { openSealed } from '../queries/sealed.ts';
import {
  claimDeliveries,
  countDeliveries,
  type DeliveredJob,
  deliveredJob,
  settleDelivery,
} from '../queries/webhooks.ts';
import { headersOf, messageOf } from './message.ts';
import { AddressRefusedError, post, type Resolve } from './post.ts';
import { readTarget, type WebhookTarget } from './target.ts';

/** How {@link WebhookSender} is made. */
export interface WebhookSenderOptions {
  readonly db: Kysely<Database>;
  readonly secrets: SecretBox;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Ranges of private addresses that webhooks may have. */
  readonly allowPrivate: readonly string[];
  readonly resolve?: Resolve;
}

/** What comes due by itself, or was noted by another process that has died, is so late at most. */
const LOOK_EVERY_MS = 3000;
const AGAIN_MS = 1000;
const AT_ONCE = 32;
const PER_HOST = 4;
const TIMEOUT_MS = 10_000;
/** A process that died with a delivery in its hands: others take it then. */
const LEASE_MS = 60_000;
/** Sixteen tries, with pauses of 5 s to an hour, are spread over some six hours. */
const TRIES = 16;
const PAUSES = { baseMs: 5000, maxMs: 3_600_000, jitter: 'none' } as const;
const GONE = 410;

/** How a try went. `gone`: the receiver wants no other. */
interface Tried {
  readonly result: 'delivered' | 'status' | 'away' | 'refused' | 'secret';
  readonly error?: string;
  readonly gone?: boolean;
}

/**
 * Tells the webhooks of ended jobs. What is to be told is noted in the transaction in which a job ends: a process that
 * dies, or a receiver that is away, loses nothing. A receiver may be told twice, with the same delivery id. Receivers
 * that hang hold up nobody else: each host has few requests at a time.
 */
export class WebhookSender {
  readonly #options: WebhookSenderOptions;
  readonly #open: BlockList;
  readonly #tries;
  readonly #givenUp;
  readonly #flying = new Set<Promise<void>>();
  readonly #busy = new Map<string, number>();
  /** Resolves when something may be due: a try has ended, and others may have waited for its place, or one was noted. */
  #woken = Promise.withResolvers<void>();

  constructor(options: WebhookSenderOptions) {
    this.#options = options;
    this.#open = ranges(options.allowPrivate);
    this.#tries = options.metrics.counter('webhook_tries_total');
    this.#givenUp = options.metrics.counter('webhooks_given_up_total');
    options.metrics.readOne('webhooks_waiting', () => countDeliveries(options.db));
  }

  /** Sends what is due until the signal aborts; resolves when the last try is over. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#woken = Promise.withResolvers();
      try {
        if ((await this.#round()) > 0) continue;
        using limit = deadline(LOOK_EVERY_MS, 'nothing was noted and no try has ended', signal);
        await waitFor(this.#woken.promise, limit).catch(() => undefined);
      } catch (error) {
        this.#options.log.warn({ err: error }, 'webhooks could not be looked for; it is tried again');
        await pause(AGAIN_MS, signal).catch(() => undefined);
      }
    }
    await Promise.all(this.#flying);
  }

  /** Looks at once: a delivery may have been noted. */
  wake(): void {
    this.#woken.resolve();
  }

  /** @returns how many tries were begun */
  async #round(): Promise<number> {
    const limit = AT_ONCE - this.#flying.size;
    if (limit === 0) return 0;
    const nowMs = Date.now();
    const claim = { nowMs, againMs: nowMs + LEASE_MS, limit, perHost: PER_HOST, busy: this.#busy };
    const claimed = await claimDeliveries(this.#options.db, claim);
    for (const delivery of claimed) this.#start(delivery);
    return claimed.length;
  }

  #start(delivery: WebhookDeliveriesTable): void {
    const { host } = delivery;
    this.#busy.set(host, (this.#busy.get(host) ?? 0) + 1);
    const flight = this.#deliver(delivery)
      .catch((error) => this.#options.log.warn({ err: error, delivery: delivery.id }, 'a webhook waits'))
      .finally(() => {
        const left = (this.#busy.get(host) ?? 1) - 1;
        if (left === 0) this.#busy.delete(host);
        else this.#busy.set(host, left);
        this.#flying.delete(flight);
        this.#woken.resolve();
      });
    this.#flying.add(flight);
  }

  async #deliver(delivery: WebhookDeliveriesTable): Promise<void> {
    const { db } = this.#options;
    const job = await deliveredJob(db, delivery);
    if (job === undefined) return;
    const { result, error, gone = false } = await this.#try(delivery, job);
    this.#tries.inc({ result });
    if (result === 'delivered') {
      await settleDelivery(db, delivery, { dueMs: null, deliveredMs: Date.now(), error: null });
      return;
    }
    const over = gone || delivery.tries >= TRIES;
    if (over) this.#givenUp.inc();
    const dueMs = over ? null : Date.now() + pauseAfter(delivery.tries);
    const text = hidePasswords(error ?? '').slice(0, 500);
    await settleDelivery(db, delivery, { dueMs, deliveredMs: null, error: text });
  }

  async #try(delivery: WebhookDeliveriesTable, job: DeliveredJob): Promise<Tried> {
    const target = readTarget(delivery.webhook);
    const secret = await this.#secretOf(target, job.tenant);
    if (secret instanceof Error) return { result: 'secret', error: secret.message };
    const body = messageOf(delivery, job);
    const headers = headersOf(delivery.id, body, { secret, nowMs: Date.now() });
    using signal = deadline(TIMEOUT_MS, 'no answer came');
    const options = { ...this.#options, open: this.#open, signal };
    try {
      return judge(await post({ url: new URL(target.url), headers, body }, options));
    } catch (error) {
      const result = error instanceof AddressRefusedError ? 'refused' : 'away';
      return { result, error: textOf(error) };
    }
  }

  /** An error when it is not there: nothing is ever sent unsigned that should be signed. */
  async #secretOf({ secret: name }: WebhookTarget, tenant: string): Promise<string | Error | undefined> {
    if (name === undefined) return undefined;
    const { db, secrets } = this.#options;
    try {
      const value = await openSealed(db, { tenant, kind: 'secret', name }, secrets);
      return value ?? new Error(`The secret ${name} is not set. Set it with PUT /v1/secrets/${name}.`);
    } catch (error) {
      if (!(error instanceof UnsealError)) throw error;
      return new Error(`The secret ${name} can't be opened: ${error.message}.`);
    }
  }
}

/** A host with several addresses breaks with an error for each. */
function textOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(textOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}

function judge(status: number): Tried {
  if (status >= 200 && status < 300) return { result: 'delivered' };
  if (status === GONE) return { result: 'status', error: 'It answered 410: no more.', gone: true };
  const hint = status >= 300 && status < 400 ? ' Redirects are not followed.' : '';
  return { result: 'status', error: `It answered ${status}.${hint}` };
}

/** Half of it is drawn, so that many who failed together don't return together. */
function pauseAfter(tries: number): number {
  return pauseBefore(tries + 1, PAUSES) * (0.5 + Math.random() / 2);
}
