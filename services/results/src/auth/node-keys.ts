import type { ExecutionClaims } from '@cronium/contracts';
import {
  type Keys,
  nodeRecord,
  readRecord,
  TokenRefusedError,
  verifyExecutionToken,
  verifyNodeToken,
} from '@cronium/contracts';
import type { Redis } from 'ioredis';

type PublicKey = Parameters<typeof verifyNodeToken>[1][number];

interface KnownKey {
  readonly node: string;
  /** The one key; the array stays the same for as long as the key does. */
  readonly jwks: readonly PublicKey[];
  readonly seenMs: number;
}

const FRESH_MS = 10_000;
/** An unknown key asks Valkey again, but not for every token of a flood. */
const ASK_AGAIN_MS = 500;
const KEEP_MS = 86_400_000;
/** A node sends the same token for minutes. */
const VERIFIED_MAX = 1000;

/** A node's token whose signature was found good, by the key that it was then. */
interface Verified {
  readonly kid: string;
  readonly jwks: KnownKey['jwks'];
  readonly node: string;
  readonly untilMs: number;
}

/**
 * The public keys of the fleet's nodes, from their heartbeats. Keys of nodes that are gone stay good for a day: their
 * jobs' last words may still come. While Valkey is away the known keys go on working.
 */
export class NodeKeys {
  readonly #valkey: Redis;
  readonly #keys: Keys;
  readonly #now: () => number;
  #known = new Map<string, KnownKey>();
  #readAtMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;
  readonly #verified = new Map<string, Verified>();

  constructor(valkey: Redis, keys: Keys, now: () => number = Date.now) {
    this.#valkey = valkey;
    this.#keys = keys;
    this.#now = now;
  }

  /**
   * @returns the node that signed
   * @throws TokenRefusedError
   */
  async verifyNode(token: string): Promise<string> {
    const known = this.#verified.get(token);
    const kid = known?.kid ?? kidOf(token);
    const { jwks, node } = await this.#keyOf(kid);
    if (known?.jwks === jwks && known.node === node && this.#now() < known.untilMs) return node;
    const verified = await verifyNodeToken(token, jwks);
    if (verified.node !== node) throw new TokenRefusedError('TOKEN_INVALID', 'the token names another node');
    if (this.#verified.size >= VERIFIED_MAX) this.#verified.clear();
    this.#verified.set(token, { ...verified, kid, jwks });
    return node;
  }

  /** @throws TokenRefusedError */
  async verifyExecution(token: string): Promise<ExecutionClaims> {
    const key = await this.#keyOf(kidOf(token));
    const claims = await verifyExecutionToken(token, key.jwks, 'results');
    if (claims.iss !== key.node) throw new TokenRefusedError('TOKEN_INVALID', 'the token names another node');
    return claims;
  }

  async #keyOf(kid: string): Promise<KnownKey> {
    const age = this.#now() - this.#readAtMs;
    if (age > FRESH_MS || (!this.#known.has(kid) && age > ASK_AGAIN_MS))
      await this.#read(this.#known.has(kid));
    const key = this.#known.get(kid);
    if (key === undefined || this.#now() - key.seenMs > KEEP_MS) {
      throw new TokenRefusedError(
        'TOKEN_INVALID',
        'the token is signed by a key that no node of this fleet has',
      );
    }
    return key;
  }

  /** @param canGoOn a failure is no reason to refuse: the key is known */
  async #read(canGoOn: boolean): Promise<void> {
    this.#reading ??= this.#fetch().finally(() => {
      this.#reading = undefined;
    });
    try {
      await this.#reading;
    } catch (error) {
      if (!canGoOn) throw error;
    }
  }

  async #fetch(): Promise<void> {
    const records = await this.#valkey.hvals(this.#keys.nodes);
    const now = this.#now();
    const known = new Map([...this.#known].filter(([, { seenMs }]) => now - seenMs <= KEEP_MS));
    for (const text of records) {
      const record = readRecord(nodeRecord, text);
      if (record === undefined) continue;
      for (const jwk of record.keys) {
        const before = this.#known.get(jwk.kid)?.jwks;
        const jwks = before?.[0]?.x === jwk.x ? before : [jwk];
        known.set(jwk.kid, { node: record.node, jwks, seenMs: record.seenAt });
      }
    }
    this.#known = known;
    this.#readAtMs = now;
  }
}

/** The key id in a token's header, unverified. */
function kidOf(token: string): string {
  try {
    const header: unknown = JSON.parse(Buffer.from(token.split('.', 1)[0] ?? '', 'base64url').toString());
    if (typeof header === 'object' && header !== null && 'kid' in header && typeof header.kid === 'string')
      return header.kid;
  } catch {
    // Not a token at all: refused below like one without a key.
  }
  throw new TokenRefusedError('TOKEN_INVALID', 'the token is not a JWT of this fleet');
}
