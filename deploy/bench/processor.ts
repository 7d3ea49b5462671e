import { readdir, readFile } from 'node:fs/promises';
import { type FleetProcess, readJson, type SupervisorFile, supervisorFile } from '../local/fleet/files.ts';
import { shown } from './figure.ts';

/** What Linux gives to every program (getconf CLK_TCK). */
const TICKS_PER_SECOND = 100;
/** Programs that are known by their names or their command lines. */
const PROGRAMS: readonly (readonly [group: string, command: RegExp])[] = [
  ['dockerd', /^\S*dockerd(\s|$)/],
  ['containerd', /^\S*containerd(\s|$)/],
  ['sidecars', /\/app\/server\.cjs/],
  ['docker command line', /^docker\s/],
];
const REST = 'runc, shims, jobs, and all else';

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly ticks: number;
  /** Of children that have ended and were waited for. */
  readonly childTicks: number;
}

/** Processor time that was used up to a moment, in ticks. */
export interface ProcessorLook {
  readonly byGroup: ReadonlyMap<string, number>;
  /** Of the whole machine, whoever used it. */
  readonly all: number;
}

/** Adds up the processor time of the fleet's processes, of Docker's, and of the whole machine. */
export async function lookAtProcessor(home: string): Promise<ProcessorLook> {
  const fleet = readJson<SupervisorFile>(supervisorFile(home))?.processes ?? [];
  const processes = await allProcesses();
  const groups = await groupsOf(processes, fleet);
  const byGroup = new Map<string, number>();
  for (const { pid, ticks, childTicks } of processes.values()) {
    const group = groups.get(pid);
    if (group === undefined) continue;
    // Backends of PostgreSQL come and go; what Docker's processes wait for is counted with the rest.
    const whole = ticks + (group === 'postgres' ? childTicks : 0);
    byGroup.set(group, (byGroup.get(group) ?? 0) + whole);
  }
  return { byGroup, all: await machineTicks() };
}

/** Processor time per job by process, from two looks. */
export function processorTable(before: ProcessorLook, after: ProcessorLook, jobs: number): string {
  const perJob = (ticks: number) => (1000 * ticks) / TICKS_PER_SECOND / jobs;
  const known = [...after.byGroup].map(
    ([group, ticks]) => [group, perJob(ticks - (before.byGroup.get(group) ?? 0))] as const,
  );
  const all = perJob(after.all - before.all);
  const rest = all - known.reduce((sum, [, milliseconds]) => sum + milliseconds, 0);
  const rows = [...known, [REST, rest] as const].toSorted(([, one], [, other]) => other - one);
  const line = (name: string, milliseconds: number) =>
    `${name.padEnd(REST.length)} ${shown(milliseconds).padStart(6)} ms  ${shown((100 * milliseconds) / all).padStart(5)} %`;
  return [
    ...rows.map(([name, milliseconds]) => line(name, milliseconds)),
    line('the whole machine', all),
  ].join('\n');
}

/** Which group each process belongs to: a fleet's process with all below it, or a program that is known by name. */
async function groupsOf(
  processes: ReadonlyMap<number, Process>,
  fleet: readonly FleetProcess[],
): Promise<ReadonlyMap<number, string>> {
  const roots = new Map<number, string>(fleet.map(({ pid, name }) => [pid, nameOf(name)]));
  roots.set(process.pid, 'the benchmark');
  await Promise.all(
    [...processes.keys()].map(async (pid) => {
      const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ');
      const program = PROGRAMS.find(([, pattern]) => pattern.test(command));
      if (program !== undefined && !roots.has(pid)) roots.set(pid, program[0]);
    }),
  );
  const groups = new Map<number, string>();
  for (const { pid, parent } of processes.values()) {
    const group = roots.get(pid) ?? (roots.get(parent) === 'postgres' ? 'postgres' : undefined);
    if (group !== undefined) groups.set(pid, group);
  }
  return groups;
}

/** One word for all workers, and for PostgreSQL. */
function nameOf(name: string): string {
  if (/postgres/i.test(name)) return 'postgres';
  return name.replace(/-\d+$/, '').toLowerCase();
}

async function allProcesses(): Promise<ReadonlyMap<number, Process>> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(pids.map(readProcess));
  return new Map(found.flatMap((one) => (one === undefined ? [] : [[one.pid, one] as const])));
}

async function readProcess(pid: number): Promise<Process | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) return undefined;
  // After the name, which is in parentheses: fields 4 and 14 to 17 of proc(5).
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const at = (field: number) => fields[field - 3] ?? 0;
  return { pid, parent: at(4), ticks: at(14) + at(15), childTicks: at(16) + at(17) };
}

/** All that was not idle, and not waiting for a disk. */
async function machineTicks(): Promise<number> {
  const [first = ''] = (await readFile('/proc/stat', 'utf8')).split('\n');
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = first.split(/\s+/).slice(1).map(Number);
  return user + nice + system + irq + softirq;
}
