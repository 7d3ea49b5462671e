import type { Logger } from '@cronium/telemetry';
import type { Redis } from 'ioredis';
import { withValkey } from './connection.ts';

/** Thrown when Valkey is set up so that it could lose accepted jobs. */
export class UnsafeValkeyError extends Error {
  override readonly name = 'UnsafeValkeyError';
  readonly code = 'UNSAFE_VALKEY';

  constructor(faults: readonly string[]) {
    super(`Valkey could lose accepted jobs: ${faults.join('; ')}`);
  }
}

/**
 * Makes sure that Valkey never evicts and keeps its data over a restart. Where CONFIG is not allowed, as on some managed
 * servers, that is only logged.
 * @throws UnsafeValkeyError saying what to set; ValkeyUnavailableError
 */
export async function checkValkey(valkey: Redis, log: Logger): Promise<void> {
  const settings = await readSettings(valkey, log);
  if (settings === undefined) return;
  const faults: string[] = [];
  const policy = settings.get('maxmemory-policy');
  if (policy !== 'noeviction') {
    faults.push(
      `maxmemory-policy is ${policy}, so jobs vanish when memory is short: set maxmemory-policy noeviction`,
    );
  }
  if (settings.get('appendonly') !== 'yes' && (settings.get('save') ?? '').trim() === '') {
    faults.push('it keeps nothing on disk, so a restart loses every job: set appendonly yes');
  }
  if (faults.length > 0) throw new UnsafeValkeyError(faults);
}

async function readSettings(valkey: Redis, log: Logger): Promise<Map<string, string> | undefined> {
  const settings = new Map<string, string>();
  for (const name of ['maxmemory-policy', 'appendonly', 'save']) {
    try {
      const reply: unknown = await withValkey(() => valkey.config('GET', name));
      for (const [key, value] of pairsOf(reply)) settings.set(key, value);
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'ReplyError') throw error;
      log.warn(
        { err: error },
        'Valkey does not let its settings be read: make sure yourself that maxmemory-policy is noeviction and appendonly is yes',
      );
      return undefined;
    }
  }
  return settings;
}

/** RESP2 answers a flat list, RESP3 a map that the client turns into an object. */
function pairsOf(reply: unknown): [string, string][] {
  if (Array.isArray(reply)) {
    return reply.flatMap((item, i): [string, string][] =>
      i % 2 === 0 ? [[String(item), String(reply[i + 1])]] : [],
    );
  }
  return Object.entries(reply ?? {}).map(([key, value]) => [key, String(value)]);
}
