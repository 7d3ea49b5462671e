/**
 * Outlives the supervisor by a moment: standard input is a pipe from it, and ends when it ends. When it was killed, this
 * process ends the fleet in its place, so that nothing of it is left behind.
 *
 *   node deploy/local/fleet/guard.ts <home> <supervisor's process id>
 */
import { endFleet } from './end-fleet.ts';
import { readJson, type SupervisorFile, supervisorFile } from './files.ts';

const WORKER_GRACE_MS = 60_000;

const [home = '', supervisor = ''] = process.argv.slice(2);
for await (const _ of process.stdin);
const record = readJson<SupervisorFile>(supervisorFile(home));
if (record?.supervisor.pid === Number(supervisor)) {
  await endFleet(home, record, { workerGraceMs: WORKER_GRACE_MS, removeContainers: true });
}
