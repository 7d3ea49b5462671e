import { type ApiKeyRecord, apiKeyRecord, type Keys, readRecord } from '@cronium/contracts';
import { BootstrapKeys, bearerToken, hashApiKey } from '@cronium/http';
import type { Redis } from 'ioredis';
import { problems } from './problems.ts';
import { withValkey } from './valkey/connection.ts';

/** A key that was deleted is refused after this time at the latest. */
const CACHE_MS = 3000;
const CACHE_ENTRIES = 1000;
const HOW = 'Send the header "Authorization: Bearer <api key>".';

/** Who calls. */
export type Caller = ApiKeyRecord;

/** Tells callers by their API keys: those of the configuration, and those stored in Valkey. */
export class ApiKeys {
  readonly #valkey: Redis;
  readonly #keys: Keys;
  readonly #bootstrap: BootstrapKeys;
  readonly #cache = new Map<string, { readonly caller: Caller | undefined; readonly until: number }>();

  constructor(options: { valkey: Redis; keys: Keys; bootstrap: Readonly<Record<string, string>> }) {
    this.#valkey = options.valkey;
    this.#keys = options.keys;
    this.#bootstrap = new BootstrapKeys(options.bootstrap);
  }

  /**
   * Who sends this `Authorization` header?
   * @throws HttpProblem 401; ValkeyUnavailableError when the key can't be looked up
   */
  async caller(header: string | undefined): Promise<Caller> {
    if (header === undefined || header === '') throw problems.unauthorized(`This needs an API key. ${HOW}`);
    const key = bearerToken(header);
    if (key === undefined) throw problems.unauthorized(`The Authorization header has another form. ${HOW}`);
    const hash = hashApiKey(key);
    const caller = this.#bootstrap.find(hash) ?? (await this.#storedCaller(hash));
    if (caller === undefined) throw problems.unauthorized(`This API key is not known here. ${HOW}`);
    return caller;
  }

  async #storedCaller(hash: string): Promise<Caller | undefined> {
    const cached = this.#cache.get(hash);
    if (cached && cached.until > performance.now()) return cached.caller;
    const text = await withValkey(() => this.#valkey.hget(this.#keys.apiKeys, hash));
    const caller = text === null ? undefined : readRecord(apiKeyRecord, text);
    this.#cache.delete(hash);
    this.#cache.set(hash, { caller, until: performance.now() + CACHE_MS });
    // The oldest entry goes first: guesses must not fill the memory.
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size <= CACHE_ENTRIES) break;
      this.#cache.delete(oldest);
    }
    return caller;
  }
}
