import type { FaultKind } from '../plan.ts';
import type { Random } from '../random.ts';
import type { SimulatedNode, WireName } from './node.ts';

/** What is broken. */
export interface SimulatedBed {
  readonly nodes: readonly SimulatedNode[];
  readonly lockMs: number;
}

/** A way to break something of a simulated fleet. */
export interface SimulatedFault extends FaultKind {
  break(bed: SimulatedBed, random: Random): void;
  mend(bed: SimulatedBed): void;
  /** The node whose worker or daemon can't act meanwhile. */
  readonly disables?: number;
}

type Reach = 'cut' | 'silent';

/** The faults of a fleet of so many nodes. */
export function simulatedFaults(nodes: number, lockMs: number): SimulatedFault[] {
  const each = Array.from({ length: nodes }, (_, index) => index);
  return [...each.flatMap((index) => faultsOf(index, lockMs)), ...fleetFaults()];
}

function faultsOf(index: number, lockMs: number): SimulatedFault[] {
  const target = `worker ${index}`;
  const of = ({ nodes }: SimulatedBed) => nodes[index];
  const past = [lockMs + 1000, 3 * lockMs] as const;
  const kill = (lastsMs: readonly [number, number], weight: number, name: string): SimulatedFault => ({
    ...{ name: `SIGKILL ${target}${name}`, target, weight, lastsMs, disables: index },
    break: (bed) => of(bed)?.kill(),
    mend: (bed) => of(bed)?.start(),
  });
  const stop = (lastsMs: readonly [number, number], weight: number, name: string): SimulatedFault => ({
    ...{ name: `SIGSTOP ${target}${name}`, target, weight, lastsMs, disables: index },
    break: (bed) => of(bed)?.stop(),
    mend: (bed) => of(bed)?.go(),
  });
  return [
    ...[kill([0, 5000], 4, ''), kill(past, 2, ' past its locks')],
    ...[stop([500, 8000], 2, ''), stop(past, 2, ' past its locks')],
    {
      ...{ name: `SIGTERM ${target}`, target, weight: 2, lastsMs: [0, 20_000], disables: index },
      break: (bed) => of(bed)?.end(),
      mend: (bed) => {
        of(bed)?.kill();
        of(bed)?.start();
      },
    },
    ...linkFaults(index),
    {
      ...{
        name: `dockerd ${index} dies`,
        target: `dockerd ${index}`,
        weight: 1,
        lastsMs: [500, 8000],
        disables: index,
      },
      break: (bed) => {
        of(bed)?.reach('docker', 'dead', 'cut');
        for (const container of of(bed)?.machine.host.containers.values() ?? []) {
          container.loseDaemon('the daemon was killed');
        }
      },
      mend: (bed) => of(bed)?.reach('docker', 'dead', 'up'),
    },
    {
      ...{ name: `docker rm -f on ${index}`, target: `a container ${index}`, weight: 1, lastsMs: [0, 0] },
      break: (bed, random) => {
        const containers = [...(of(bed)?.machine.host.containers.values() ?? [])];
        if (containers.length > 0) of(bed)?.machine.host.remove(random.pick(containers));
      },
      mend: () => undefined,
    },
  ];
}

const WIRES: readonly WireName[] = ['valkey', 'results', 'docker'];

/** How long a way takes at most when it is slow. A quarter of a lock's time for Docker: a worker must bear with that. */
const SLOW_MS: Readonly<Record<WireName, number>> = { valkey: 1500, results: 1500, docker: 3000 };

function linkFaults(index: number): SimulatedFault[] {
  return WIRES.flatMap((wire): SimulatedFault[] => {
    const target = `${wire} of ${index}`;
    // A Docker that is only slow leaves a worker the time to hold its containers still.
    const disables = wire === 'docker' ? { disables: index } : {};
    const broken = (reach: Reach): SimulatedFault => ({
      ...{ name: `${target} ${reach}`, target, weight: 1, lastsMs: [1000, 40_000], ...disables },
      break: ({ nodes }) => nodes[index]?.reach(wire, 'own', reach),
      mend: ({ nodes }) => nodes[index]?.reach(wire, 'own', 'up'),
    });
    return [
      broken('cut'),
      broken('silent'),
      {
        ...{ name: `${target} loses answers`, target, weight: 2, lastsMs: [5000, 30_000], ...disables },
        break: ({ nodes }) => nodes[index]?.lose(wire, 0.3),
        mend: ({ nodes }) => nodes[index]?.lose(wire, 0),
      },
      {
        ...{ name: `${target} is slow`, target, weight: 1, lastsMs: [5000, 30_000] },
        break: ({ nodes }) => nodes[index]?.slow(wire, SLOW_MS[wire]),
        mend: ({ nodes }) => nodes[index]?.slow(wire, 4),
      },
    ];
  });
}

function fleetFaults(): SimulatedFault[] {
  return (['valkey', 'results'] as const).flatMap((wire) =>
    (['cut', 'silent'] as const).map((reach): SimulatedFault => {
      const all = (state: Reach | 'up') => (bed: SimulatedBed) => {
        for (const node of bed.nodes) node.reach(wire, 'all', state);
      };
      const name = `${wire} ${reach} for all`;
      return { name, target: wire, weight: 2, lastsMs: [500, 40_000], break: all(reach), mend: all('up') };
    }),
  );
}
