import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { LABEL } from '@cronium/contracts';
import type Docker from 'dockerode';
import type { Figure } from './figure.ts';
import { processorSeconds, residentBytes } from './resident.ts';

const MIB = 2 ** 20;
/** Long enough for all that an idle worker does now and then, the giving back of memory after its start among it. */
const LOOK_MS = 30_000;

/** A worker that has nothing to do, and what an idle slot holds. */
export async function idleFigures(pid: number, docker: Docker): Promise<Figure[]> {
  const before = await processorSeconds(pid);
  await pause(LOOK_MS);
  const percent = ((await processorSeconds(pid)) - before) / (LOOK_MS / 1000);
  const resident = await residentBytes(pid);
  const slot = await slotBytes(docker);
  const one = (name: string, unit: string, value: number, atMost?: number): Figure => ({
    ...{ name, unit, value, runs: [value] },
    ...(atMost !== undefined && { target: { of: 'value' as const, atMost } }),
  });
  return [
    one('idle worker, memory', 'MB', resident / 1e6, 120),
    one('idle worker, processor', '%', percent * 100, 1),
    one('idle slot: network, holder, sidecar', 'MiB', slot / MIB),
  ];
}

/** Resident memory of the holders and sidecars and of the shims above them, for each slot. */
async function slotBytes(docker: Docker): Promise<number> {
  const filters = { label: [LABEL.slot] };
  const containers = await docker.listContainers({ filters });
  const kept = containers.filter(({ Labels }) => Labels[LABEL.role] !== 'job');
  const slots = new Set(kept.map(({ Labels }) => Labels[LABEL.slot]));
  const pids = await Promise.all(
    kept.map(async ({ Id }) => (await docker.getContainer(Id).inspect()).State.Pid),
  );
  const shims = await shimsOf(kept.map(({ Id }) => Id));
  const bytes = await Promise.all([...pids, ...shims].map(residentBytes));
  return bytes.reduce((sum, one) => sum + one, 0) / slots.size;
}

async function shimsOf(ids: readonly string[]): Promise<number[]> {
  const all = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const commands = await Promise.all(
    all.map(
      async (pid) => [Number(pid), await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')] as const,
    ),
  );
  return commands
    .filter(([, command]) => command.includes('containerd-shim') && ids.some((id) => command.includes(id)))
    .map(([pid]) => pid);
}
