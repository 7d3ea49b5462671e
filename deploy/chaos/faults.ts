import { jobContainerName, LABEL, sidecarName } from '@cronium/contracts';
import { eventually } from '@cronium/testing';
import type { LocalService } from '../local/bootstrap.ts';
import type { Service } from '../test/e2e/service.ts';
import { type Bed, killStore, LOCK_SECONDS, startStore } from './bed.ts';
import type { FaultKind } from './plan.ts';
import { signalTree } from './processes.ts';
import type { Random } from './random.ts';

/** A way to break something of a bed. */
export interface Fault extends FaultKind {
  /** The rows of the failure matrix that it stands for. */
  readonly rows: string;
  break(bed: Bed, context: FaultContext): Promise<void>;
  /** Makes it whole again, also when breaking it went wrong. */
  mend(bed: Bed): Promise<void>;
}

/** What a fault draws from and writes down. */
export interface FaultContext {
  readonly random: Random;
  /** Jobs whose container or sidecar someone meddled with. */
  readonly interfered: Set<string>;
}

type Of<T> = (bed: Bed) => T;

const LOCK_MS = LOCK_SECONDS * 1000;

const SERVICES: readonly { readonly target: string; readonly of: Of<Service>; readonly weight: number }[] = [
  { target: 'worker 1', of: ({ workers }) => workers[0], weight: 3 },
  { target: 'worker 2', of: ({ workers }) => workers[1], weight: 3 },
  { target: 'producer', of: ({ fleet }) => fleet.producer, weight: 2 },
  { target: 'results', of: ({ fleet }) => fleet.results, weight: 3 },
];

const STORES: readonly { readonly target: string; readonly of: Of<LocalService> }[] = [
  { target: 'Valkey', of: ({ valkey }) => valkey },
  { target: 'PostgreSQL', of: ({ postgres }) => postgres },
];

const serviceFaults = SERVICES.flatMap(({ target, of, weight }): Fault[] => [
  {
    ...{ name: `SIGKILL ${target}`, target, weight, rows: rowsOf(target, '1', '6', '7') },
    lastsMs: [0, 5000],
    break: (bed) => of(bed).end(),
    mend: (bed) => of(bed).start(),
  },
  {
    ...{ name: `SIGSTOP ${target}`, target, weight: weight / 2, rows: rowsOf(target, '5', '6', '7') },
    lastsMs: [500, 8000],
    break: async (bed) => of(bed).signal('SIGSTOP'),
    mend: async (bed) => of(bed).signal('SIGCONT'),
  },
  {
    ...{ name: `SIGTERM ${target}`, target, weight: weight / 2, rows: '9' },
    lastsMs: [0, 3000],
    break: (bed) => of(bed).stop(),
    mend: (bed) => of(bed).start(),
  },
]);

const longAbsences = SERVICES.slice(0, 2).flatMap(({ target, of }): Fault[] => [
  {
    ...{ name: `SIGKILL ${target} past its locks`, target, weight: 1, rows: '2' },
    lastsMs: [LOCK_MS + 1000, LOCK_MS + 10_000],
    break: (bed) => of(bed).end(),
    mend: (bed) => of(bed).start(),
  },
  {
    ...{ name: `SIGSTOP ${target} past its locks`, target, weight: 1, rows: '4' },
    lastsMs: [LOCK_MS + 1000, LOCK_MS + 10_000],
    break: async (bed) => of(bed).signal('SIGSTOP'),
    mend: async (bed) => of(bed).signal('SIGCONT'),
  },
]);

const storeFaults = STORES.flatMap(({ target, of }): Fault[] => [
  {
    ...{ name: `SIGKILL ${target}`, target, weight: 2, rows: rowsOf(target, '', '', '', '22', '27') },
    lastsMs: [0, 2000],
    break: (bed) => killStore(of(bed)),
    mend: (bed) => startStore(of(bed)),
  },
  {
    ...{ name: `${target} away`, target, weight: 1, rows: rowsOf(target, '', '', '', '23', '27') },
    lastsMs: [4000, 20_000],
    break: (bed) => of(bed).stop(),
    mend: (bed) => startStore(of(bed)),
  },
  {
    ...{ name: `SIGSTOP ${target}`, target, weight: 1, rows: '35' },
    lastsMs: [500, 15_000],
    break: (bed) => signalStore(of(bed), 'SIGSTOP'),
    mend: (bed) => signalStore(of(bed), 'SIGCONT'),
  },
]);

/** On a busy machine a daemon may find its containerd too slow, and ends again. */
async function startEngine({ engine }: Bed): Promise<void> {
  await eventually(() => engine.start().then(() => true), { what: 'dockerd is back', timeoutMs: 180_000 });
}

const engineFaults: readonly Fault[] = [
  {
    ...{ name: 'SIGKILL dockerd', target: 'dockerd', weight: 1, rows: '10' },
    lastsMs: [500, 5000],
    break: ({ engine }) => engine.end('SIGKILL'),
    mend: startEngine,
  },
  {
    ...{ name: 'SIGTERM dockerd', target: 'dockerd', weight: 1, rows: '10, 21b' },
    lastsMs: [500, 5000],
    break: ({ engine }) => engine.end('SIGTERM'),
    mend: startEngine,
  },
  {
    ...{ name: 'SIGSTOP dockerd', target: 'dockerd', weight: 1, rows: '11' },
    lastsMs: [1000, 20_000],
    break: async ({ engine }) => engine.signal('SIGSTOP'),
    mend: async ({ engine }) => engine.signal('SIGCONT'),
  },
];

const containerFaults: readonly Fault[] = [
  {
    ...{ name: 'docker rm -f of a job', target: 'a container', weight: 1, rows: '13' },
    lastsMs: [0, 0],
    break: (bed, context) => onContainer(bed, context, 'remove'),
    mend: async () => undefined,
  },
  {
    ...{ name: 'docker kill of a sidecar', target: 'a container', weight: 1, rows: '14' },
    lastsMs: [0, 0],
    break: (bed, context) => onContainer(bed, context, 'kill'),
    mend: async () => undefined,
  },
  {
    ...{ name: 'SIGSTOP of a sidecar', target: 'a container', weight: 1, rows: '14' },
    lastsMs: [0, 0],
    break: (bed, context) => onContainer(bed, context, 'stop'),
    mend: async () => undefined,
  },
];

/** All that a round may do. */
export const FAULTS: readonly Fault[] = [
  ...serviceFaults,
  ...longAbsences,
  ...storeFaults,
  ...engineFaults,
  ...containerFaults,
];

function rowsOf(target: string, ...rows: readonly string[]): string {
  const [worker = '', producer = '', results = '', valkey = '', postgres = ''] = rows;
  if (target.startsWith('worker')) return worker;
  return { producer, results, Valkey: valkey, PostgreSQL: postgres }[target] ?? '';
}

async function signalStore({ pid }: LocalService, signal: NodeJS.Signals): Promise<void> {
  if (pid !== undefined) await signalTree(pid, signal);
}

/** Someone interferes with a container of a running job on the first engine. */
async function onContainer(bed: Bed, context: FaultContext, act: 'remove' | 'kill' | 'stop'): Promise<void> {
  const { docker } = bed.workers[0].host;
  const filters = {
    label: [`${LABEL.node}=${bed.workers[0].node}`, `${LABEL.role}=job`],
    status: ['running'],
  };
  // A container that stands warm has no job, and no job's name, yet.
  const jobs = (await docker.listContainers({ filters })).flatMap(
    ({ Names }) => jobNamedBy(Names[0] ?? '') ?? [],
  );
  if (jobs.length === 0) return;
  const jobId = context.random.pick(jobs);
  context.interfered.add(jobId);
  // It may have ended since it was listed.
  if (act === 'remove')
    await docker.getContainer(jobContainerName(jobId)).remove({ force: true }).catch(ended);
  else {
    const signal = act === 'kill' ? 'SIGKILL' : 'SIGSTOP';
    await docker.getContainer(sidecarName(jobId)).kill({ signal }).catch(ended);
  }
}

/** The job whose name a container bears. */
function jobNamedBy(name: string): string | undefined {
  const [, jobId] = /cronium-job-(job_[0-9A-Za-z]{12})$/.exec(name) ?? [];
  return jobId;
}

/** @throws the error, when it says anything else than that the container has ended */
function ended(error: unknown): void {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  if (status !== 404 && status !== 409) throw error;
}
