import type { LocalService, Report } from '../bootstrap.ts';
import { startOf } from '../engine/run.ts';
import type { FleetProcess } from './files.ts';
import { pause } from './pause.ts';

/** Whose end to watch for. */
interface Kept {
  readonly name: string;
  readonly report: Report;
  /** Told whenever the process is another one. */
  changed(): void;
}

const LONGEST_PAUSE_MS = 10_000;

/** Starts a store again whenever its process ends, until it is disposed of. */
export function keepRunning(service: LocalService, kept: Kept): Disposable {
  const stopping = new AbortController();
  void watch(service, kept, stopping.signal);
  return { [Symbol.dispose]: () => stopping.abort() };
}

async function watch(
  service: LocalService,
  { name, report, changed }: Kept,
  signal: AbortSignal,
): Promise<void> {
  for (let failures = 0; !signal.aborted; ) {
    await service.exited();
    if (signal.aborted) return;
    report(`${name} ended; starting it again.`);
    try {
      await service.start();
      failures = 0;
      changed();
    } catch (error) {
      failures += 1;
      report(`${name} could not be started: ${error instanceof Error ? error.message : String(error)}`);
    }
    await pause(Math.min(LONGEST_PAUSE_MS, 200 * 2 ** failures), signal);
  }
}

/** The stores' processes, those that are ours. */
export function storeProcesses(stores: Readonly<Record<string, LocalService>>): FleetProcess[] {
  return Object.entries(stores).flatMap(([name, { pid }]) =>
    pid === undefined ? [] : [{ name, stage: 'store' as const, pid, start: startOf(pid) }],
  );
}
