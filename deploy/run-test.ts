import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/**
 * Runs one test file as `npm test` does, with what its environment asks of it.
 * @param file from the root: `deploy/soak/soak.test.ts`
 * @returns the exit code
 */
export function runTest(file: string, env: Readonly<Record<string, string>>): number {
  const script = join(import.meta.dirname, 'local/test.ts');
  const options = { env: { ...process.env, ...env }, stdio: 'inherit' } as const;
  return spawnSync(process.execPath, [script, file], options).status ?? 1;
}
