import { keysFor } from '@cronium/contracts';
import type { Patience } from './patience.ts';
import { unavailable } from './problems.ts';
import { ValkeyClient, ValkeyError } from './valkey.ts';

const COMMAND_TIMEOUT_MS = 2000;
/** A token found good is not asked for again for so long. */
const GOOD_FOR_MS = 1000;

/** Says whether an execution token was revoked. Safe to call concurrently. */
export interface Revocations {
  /** @throws RefusedError 503 when the store can't be reached for as long as the request has patience */
  isRevoked(jti: string, patience: Patience): Promise<boolean>;
  reachable(): Promise<boolean>;
  /** Forgets what was found: the attempt has ended. */
  forget(): void;
  close(): void;
}

/** Asks Valkey; a worker writes there when an attempt ends. */
export function valkeyRevocations({ url, prefix }: { url: string; prefix: string }): Revocations {
  const keys = keysFor(prefix);
  const valkey = new ValkeyClient(url, { timeoutMs: COMMAND_TIMEOUT_MS });
  const reachable = () =>
    valkey.command('PING').then(
      () => true,
      () => false,
    );
  let good = { jti: '', untilMs: 0 };
  // The connection is there when the first request comes.
  void reachable();
  return {
    async isRevoked(jti, patience) {
      if (good.jti === jti && performance.now() < good.untilMs) return false;
      const askedAtMs = performance.now();
      try {
        const ask = () => valkey.command('EXISTS', keys.revoked(jti));
        const revoked = (await patience.outlast(ask, (error) => error instanceof ValkeyError)) !== '0';
        if (!revoked) good = { jti, untilMs: askedAtMs + GOOD_FOR_MS };
        return revoked;
      } catch (error) {
        if (!(error instanceof ValkeyError)) throw error;
        throw unavailable('Valkey cannot be reached, so the token cannot be checked. Try again.', error);
      }
    },
    reachable,
    forget() {
      good = { jti: '', untilMs: 0 };
    },
    close: () => valkey.close(),
  };
}
