import { hidePasswords } from '@cronium/contracts';
import type { Logger } from '@cronium/telemetry';
import { Redis } from 'ioredis';

/** Nobody waits longer than this for Valkey: a half-open connection is dropped and made again. */
const SILENCE_MS = 5000;
const LONGEST_RETRY_MS = 2000;

/**
 * A client that fails at once while Valkey is away and keeps trying to come back. It connects in the background; one
 * line is logged when Valkey goes, and one when it is back.
 */
export function connectValkey(url: string, log: Logger): Redis {
  const valkey = new Redis(url, {
    lazyConnect: true,
    connectionName: 'cronium-results',
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: SILENCE_MS,
    socketTimeout: SILENCE_MS,
    retryStrategy: (times) => Math.min(50 * times, LONGEST_RETRY_MS),
  });
  const where = hidePasswords(url);
  let away = false;
  valkey.on('error', (error: unknown) => {
    if (!away)
      log.error({ err: error, valkey: where }, 'Valkey is away; start it, or set CRONIUM_VALKEY_URL right');
    away = true;
  });
  valkey.on('ready', () => {
    if (away) log.info({ valkey: where }, 'Valkey is back');
    away = false;
  });
  valkey.connect().catch(() => undefined);
  return valkey;
}
