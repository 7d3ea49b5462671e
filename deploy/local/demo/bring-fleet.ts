import { spawn } from 'node:child_process';
import { closeSync, createReadStream, mkdirSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { bootstrapContext, type Report } from '../bootstrap.ts';
import { isSame } from '../fleet/end-fleet.ts';
import {
  type LocalFleetFile,
  localFile,
  readJson,
  type SupervisorFile,
  supervisorFile,
} from '../fleet/files.ts';
import { pause } from '../fleet/pause.ts';
import { startFleet } from '../fleet.ts';

/** A fleet for the demo; disposing of it stops it, unless it goes on. */
export interface DemoFleet extends AsyncDisposable {
  readonly local: LocalFleetFile;
  /** Where http jobs may reach a web server of this host. */
  readonly demoAddress: { readonly host: string; readonly port: number };
  /** It was running before, or is to be kept. */
  readonly goesOn: boolean;
}

/** What {@link bringFleet} needs to know. */
export interface BringOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly report: Report;
  readonly workers: number;
  readonly portBase: number;
  /** Leave it running. */
  readonly keep: boolean;
  readonly signal: AbortSignal;
}

/** Uses the fleet that runs in this checkout, or starts one. */
export async function bringFleet(options: BringOptions): Promise<DemoFleet> {
  const { home } = bootstrapContext(options);
  const running = runningFleet(home);
  if (running !== undefined) {
    options.report(`A local fleet runs here already (${running.local.producerUrl}): using it.`);
    return running;
  }
  options.report('Starting a fleet on this machine. What it brings or makes goes into .cronium/.');
  return options.keep ? startDetached(home, options) : startOwn(options);
}

async function startOwn(options: BringOptions): Promise<DemoFleet> {
  const startedAt = performance.now();
  const fleet = await startFleet(options);
  options.report(`The fleet is ready (${((performance.now() - startedAt) / 1000).toFixed(1)} s).`);
  return { ...fleet, goesOn: false, [Symbol.asyncDispose]: () => fleet.stop() };
}

function runningFleet(home: string): DemoFleet | undefined {
  const supervisor = readJson<SupervisorFile>(supervisorFile(home));
  const local = readJson<LocalFleetFile>(localFile(home));
  if (supervisor === undefined || local === undefined || supervisor.demo === null) return undefined;
  if (!isSame(supervisor.supervisor)) return undefined;
  return { local, demoAddress: supervisor.demo, goesOn: true, [Symbol.asyncDispose]: async () => undefined };
}

/** Runs `npm start` in the background and shows what it says until the fleet is ready. */
async function startDetached(home: string, { workers, portBase, report }: BringOptions): Promise<DemoFleet> {
  const log = join(home, 'logs', 'fleet.log');
  mkdirSync(join(home, 'logs'), { recursive: true });
  const output = openSync(log, 'a', 0o600);
  let from = statSync(log).size;
  const script = join(import.meta.dirname, '../start.ts');
  const args = [script, '--workers', String(workers), '--port-base', String(portBase)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', output, output], detached: true });
  closeSync(output);
  child.unref();
  for (;;) {
    const news = await text(createReadStream(log, { start: from }));
    from += Buffer.byteLength(news);
    if (news.trim() !== '') report(news.trimEnd());
    const fleet = runningFleet(home);
    if (fleet !== undefined) return fleet;
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`The fleet did not start; see ${log}.`);
    await pause(200);
  }
}
