import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ensureEnv, parseEnv } from './env.ts';

test('secrets are made once; what stands in the file stays', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cronium-env-'));
  const path = join(folder, '.env');
  try {
    writeFileSync(path, '# mine\nCRONIUM_API_KEY=kept');
    const first = ensureEnv(path, { CRONIUM_SERVICE_IMAGE: 'x:1' });
    expect(first).toMatchObject({ CRONIUM_API_KEY: 'kept', CRONIUM_SERVICE_IMAGE: 'x:1' });
    expect(readFileSync(path, 'utf8')).toMatch(/^# mine\nCRONIUM_API_KEY=kept\nCRONIUM_VALKEY_PASSWORD=/);
    expect(ensureEnv(path, { CRONIUM_SERVICE_IMAGE: 'y:2' })).toEqual(first);
    expect(parseEnv(readFileSync(path, 'utf8'))).toEqual(first);
    ensureEnv(join(folder, 'new'));
    expect(statSync(join(folder, 'new')).mode & 0o777).toBe(0o600);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
