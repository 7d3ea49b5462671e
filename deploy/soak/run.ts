import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { numberOf, runScript } from '../script-options.ts';

const USAGE = `Runs many jobs through a fleet and draws what its processes hold meanwhile: memory, handles, sockets, Docker
objects, keys in Valkey. Fails when any of it grows with the jobs.

Usage: npm run soak -- [--jobs 10000]

The picture is .cronium/soak.svg`;

await runScript({
  name: 'npm run soak',
  usage: USAGE,
  options: { jobs: { type: 'string', default: '10000' } },
  run: ({ jobs }) => {
    const SOAK_JOBS = String(numberOf('jobs', jobs, 10));
    const env = { ...process.env, SOAK_JOBS, CRONIUM_TEST_NEEDS: 'valkey,postgres,docker,images' };
    const script = join(import.meta.dirname, '../local/test.ts');
    const { status } = spawnSync(process.execPath, [script, 'deploy/soak/soak.test.ts'], {
      env,
      stdio: 'inherit',
    });
    process.stdout.write('The picture is .cronium/soak.svg\n');
    return status ?? 1;
  },
});
