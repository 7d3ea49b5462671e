import { keysFor } from '@cronium/contracts';
import { Redis } from 'ioredis';
import { unavailable } from './problems.ts';

const COMMAND_TIMEOUT_MS = 2000;
/** A token found good is not asked for again for so long. */
const GOOD_FOR_MS = 1000;

/** Says whether an execution token was revoked. Safe to call concurrently. */
export interface Revocations {
  /** @throws RefusedError 503 when the store cannot be reached */
  isRevoked(jti: string): Promise<boolean>;
  reachable(): Promise<boolean>;
  close(): void;
}

/** Asks Valkey; a worker writes there when an attempt ends. */
export function valkeyRevocations({ url, prefix }: { url: string; prefix: string }): Revocations {
  const keys = keysFor(prefix);
  const redis = new Redis(url, {
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: COMMAND_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: (times) => Math.min(50 * 2 ** times, COMMAND_TIMEOUT_MS),
  });
  // Each failed command is answered with 503; a failed connection is tried again for ever.
  redis.on('error', () => undefined);
  const foundGood = new Map<string, number>();
  return {
    async isRevoked(jti) {
      if (performance.now() - (foundGood.get(jti) ?? Number.NEGATIVE_INFINITY) < GOOD_FOR_MS) return false;
      try {
        const revoked = (await redis.exists(keys.revoked(jti))) === 1;
        foundGood.clear();
        if (!revoked) foundGood.set(jti, performance.now());
        return revoked;
      } catch (error) {
        throw unavailable('Valkey cannot be reached, so the token cannot be checked. Try again.', error);
      }
    },
    async reachable() {
      return redis.ping().then(
        () => true,
        () => false,
      );
    },
    close: () => redis.disconnect(),
  };
}
