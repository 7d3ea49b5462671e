import { hidePasswords } from '@cronium/contracts';
import { deadline, type Lifecycle, pause, waitFor } from '@cronium/lifecycle';
import type { Logger } from '@cronium/telemetry';
import type { Redis } from 'ioredis';
import { ValkeyUnavailableError } from '../errors.ts';
import { checkValkey } from './checks.ts';
import { createValkey, withValkey } from './connection.ts';

const FIRST_TRY_MS = 3000;
const TRY_AGAIN_MS = 500;
const PING_MS = 1000;

/** The connection to Valkey as a service lives with it: checked before jobs are taken, watched, and made again when lost. */
export class ValkeyLink {
  readonly valkey: Redis;
  readonly #log: Logger;
  readonly #where: string;
  #checked = false;
  #away = false;

  constructor({ url, log }: { url: string; log: Logger }) {
    this.valkey = createValkey(url);
    this.#log = log;
    this.#where = hidePasswords(url);
    this.valkey.on('error', (error: unknown) => this.#onError(error));
    this.valkey.on('ready', () => this.#onReady());
  }

  /**
   * Connects and checks how Valkey is set up. While Valkey is away this returns after a moment all the same, and the
   * check is made when it comes.
   * @throws UnsafeValkeyError when it could lose jobs; later on, the lifecycle fails with it
   */
  async start(lifecycle: Lifecycle): Promise<void> {
    this.valkey.connect().catch(() => undefined);
    const checking = this.#check(lifecycle.signal);
    using limit = deadline(FIRST_TRY_MS, 'Valkey does not answer yet', lifecycle.signal);
    try {
      await waitFor(checking, limit);
    } catch (error) {
      if (!limit.aborted || lifecycle.signal.aborted) throw error;
      checking.catch((failure) => lifecycle.fail(failure));
    }
  }

  /** What is wrong with the connection now, and what to do; `undefined` when all is well. */
  async notReady(): Promise<string | undefined> {
    using limit = deadline(PING_MS, 'no answer to PING');
    try {
      await waitFor(this.valkey.ping(), limit);
    } catch {
      return `Valkey at ${this.#where} does not answer. Start it, or set CRONIUM_VALKEY_URL to where it is.`;
    }
    return this.#checked ? undefined : 'The settings of Valkey have not been checked yet.';
  }

  close(): void {
    this.valkey.disconnect();
  }

  async #check(signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await withValkey(() => checkValkey(this.valkey, this.#log));
        this.#checked = true;
        return;
      } catch (error) {
        if (!(error instanceof ValkeyUnavailableError)) throw error;
        await pause(TRY_AGAIN_MS, signal);
      }
    }
  }

  #onReady(): void {
    if (this.#away) this.#log.info({ valkey: this.#where }, 'Valkey is back');
    this.#away = false;
  }

  /** One line when it goes, not one for each attempt to reach it. */
  #onError(error: unknown): void {
    if (!this.#away)
      this.#log.error(
        { err: error, valkey: this.#where },
        'Valkey is away; jobs are refused until it is back',
      );
    this.#away = true;
  }
}
