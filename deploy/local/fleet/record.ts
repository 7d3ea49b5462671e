import type { BootstrapContext } from '../bootstrap.ts';
import { withLock } from '../engine/lock.ts';
import { startOf } from '../engine/run.ts';
import { endFleet, endProcesses, isSame } from './end-fleet.ts';
import {
  type FleetDocker,
  type FleetProcess,
  type LocalFleetFile,
  localFile,
  type ProcessIdentity,
  readJson,
  removeFile,
  type SupervisorFile,
  supervisorFile,
  writeJson,
} from './files.ts';

/** Thrown when a local fleet of this checkout runs already. */
export class FleetRunningError extends Error {
  readonly code = 'FLEET_RUNNING';
  /** Undefined while the other one still starts. */
  readonly fleet: LocalFleetFile | undefined;

  constructor(pid: number, fleet: LocalFleetFile | undefined) {
    const where =
      fleet === undefined
        ? ['It is starting or stopping.']
        : [
            `  producer   ${fleet.producerUrl}`,
            `  results    ${fleet.resultsUrl}`,
            `  dashboard  ${fleet.dashboardUrl}`,
          ];
    super(
      [
        `A local fleet runs here already (process ${pid}).`,
        ...where,
        'Stop it with Ctrl-C there, or: npm stop',
      ].join('\n'),
    );
    this.name = 'FleetRunningError';
    this.fleet = fleet;
  }
}

/** What is written down of a running fleet, kept up to date. */
export class FleetRecord {
  readonly #home: string;
  readonly #supervisor: ProcessIdentity = { pid: process.pid, start: startOf(process.pid) };
  #guard: ProcessIdentity | null = null;
  #docker: readonly FleetDocker[] = [];
  #demo: SupervisorFile['demo'] = null;
  #processes: () => readonly FleetProcess[] = () => [];
  #local: (() => LocalFleetFile | undefined) | undefined;

  private constructor(home: string) {
    this.#home = home;
  }

  /**
   * Becomes the one supervisor of this checkout. What a killed one left is ended first; its containers are left to the
   * workers, which adopt or remove them.
   * @throws FleetRunningError when another one lives
   */
  static async take(context: BootstrapContext): Promise<FleetRecord> {
    return withLock(context, 'fleet', async () => {
      await endLeftover(context);
      const record = new FleetRecord(context.home);
      record.save();
      return record;
    });
  }

  guardedBy(guard: ProcessIdentity | null): void {
    this.#guard = guard;
    this.save();
  }

  uses(docker: readonly FleetDocker[], demo: SupervisorFile['demo']): void {
    this.#docker = docker;
    this.#demo = demo;
    this.save();
  }

  /** Where to ask for the processes of this moment. */
  follows(processes: () => readonly FleetProcess[]): void {
    this.#processes = processes;
    this.save();
  }

  /** The fleet is ready: from here on local.json is written too, whenever all its processes run. */
  publish(local: () => LocalFleetFile | undefined): void {
    this.#local = local;
    this.save();
  }

  save(): void {
    const file: SupervisorFile = {
      supervisor: this.#supervisor,
      guard: this.#guard,
      processes: this.#processes(),
      docker: this.#docker,
      demo: this.#demo,
    };
    writeJson(supervisorFile(this.#home), file);
    const local = this.#local?.();
    if (local !== undefined) writeJson(localFile(this.#home), local);
  }

  /** The fleet has ended. */
  remove(): void {
    removeFile(localFile(this.#home));
    removeFile(supervisorFile(this.#home));
  }
}

async function endLeftover({ home, report }: BootstrapContext): Promise<void> {
  const before = readJson<SupervisorFile>(supervisorFile(home));
  if (before === undefined) return removeFile(localFile(home));
  if (before.supervisor.pid !== process.pid && isSame(before.supervisor)) {
    throw new FleetRunningError(before.supervisor.pid, readJson<LocalFleetFile>(localFile(home)));
  }
  if (before.guard !== null) await endProcesses([before.guard], { graceMs: 0 });
  const left = before.processes.filter(isSame);
  if (left.length > 0) report(`Ending what a killed fleet left: ${left.map(({ name }) => name).join(', ')}.`);
  await endFleet(home, before, { workerGraceMs: 5_000, removeContainers: false });
}
