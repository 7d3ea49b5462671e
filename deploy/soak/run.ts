/**
 * Runs many jobs through a fleet and draws what its processes hold meanwhile: memory, handles, sockets, Docker objects,
 * keys in Valkey. The picture is `.cronium/soak.svg`.
 *
 *   npm run soak -- --jobs 10000
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { jobs: { type: 'string', default: '10000' } } });
const env = { ...process.env, SOAK_JOBS: values.jobs, CRONIUM_TEST_NEEDS: 'valkey,postgres,docker,images' };
const script = join(import.meta.dirname, '../local/test.ts');
const { status } = spawnSync(process.execPath, [script, 'deploy/soak/soak.test.ts'], {
  env,
  stdio: 'inherit',
});
process.stdout.write('The picture is .cronium/soak.svg\n');
process.exitCode = status ?? 1;
