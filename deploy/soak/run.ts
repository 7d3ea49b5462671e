import { runTest } from '../run-test.ts';
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
    const needs = { CRONIUM_TEST_NEEDS: 'valkey,postgres,docker,images' };
    const exitCode = runTest('deploy/soak/soak.test.ts', { SOAK_JOBS, ...needs });
    process.stdout.write('The picture is .cronium/soak.svg\n');
    return exitCode;
  },
});
