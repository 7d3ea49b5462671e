import { existsSync, readFileSync } from 'node:fs';
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

/** The program of the run's Valkey and what its process needs in its environment, for a server of a test's own. */
export async function valkeyProgram(): Promise<{
  readonly executable: string;
  readonly env: Readonly<Record<string, string>>;
}> {
  const valkey = new Redis(testEnvironment().valkeyUrl);
  try {
    const info = await valkey.info('server');
    const value = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
    const executable = value('executable');
    if (!existsSync(executable))
      throw new Error(`the Valkey of this run is not on this machine: ${executable}`);
    // The libraries that came with it may lie beside it, where the loader does not look.
    const mapped = readFileSync(`/proc/${value('process_id')}/maps`, 'utf8').matchAll(
      / (\/\S+)\/[^/\s]+\.so[.\d]*$/gm,
    );
    return {
      executable,
      env: { LD_LIBRARY_PATH: [...new Set(Array.from(mapped, ([, folder]) => folder))].join(':') },
    };
  } finally {
    valkey.disconnect();
  }
}

function escapeGlob(text: string): string {
  return text.replace(/[*?[\]\\^]/g, '\\$&');
}
