import { Redis } from 'ioredis';
import { testEnvironment } from './environment.ts';

/** Removes every key under a test's prefix. Returns how many there were. */
export async function dropKeys(prefix: string, valkeyUrl = testEnvironment().valkeyUrl): Promise<number> {
  const valkey = new Redis(valkeyUrl, { lazyConnect: true });
  let dropped = 0;
  try {
    await valkey.connect();
    for await (const keys of valkey.scanStream({ match: `${escapeGlob(prefix)}*`, count: 1000 })) {
      if (keys.length > 0) dropped += await valkey.unlink(...keys);
    }
  } finally {
    valkey.disconnect();
  }
  return dropped;
}

function escapeGlob(text: string): string {
  return text.replace(/[*?[\]\\^]/g, '\\$&');
}
