import { editDistance } from '@cronium/config';
import { Command } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import { addArtifacts } from './commands/artifacts.ts';
import { addAudit } from './commands/audit.ts';
import { addAuditLog } from './commands/audit-log.ts';
import { addBatch } from './commands/batch.ts';
import { addBatches } from './commands/batches.ts';
import { addCompletion } from './commands/completion.ts';
import { addControl } from './commands/control.ts';
import { addFleet } from './commands/fleet.ts';
import { addFlows } from './commands/flows.ts';
import { addInspect } from './commands/inspect.ts';
import { addJobs } from './commands/jobs.ts';
import { addNode } from './commands/node.ts';
import type { Run } from './commands/register.ts';
import { addRun } from './commands/run.ts';
import { addSchedules } from './commands/schedules.ts';
import { addSubmit } from './commands/submit.ts';
import { addTop } from './commands/top.ts';

const EXAMPLES = `
Examples:
  cronium run -l bash 'echo hi'         run a script and see its output
  cronium batch jobs.ndjson             many jobs, one a line
  cronium why batch_…                   what ended those that did not succeed
  cronium logs -f job_…                 follow a job's output
  cronium trace job_…                   where its time went
  cronium top                           the fleet, live
  cronium jobs --state failed --json    for programs

Which fleet: CRONIUM_PRODUCER_URL, CRONIUM_RESULTS_URL and CRONIUM_API_KEY, else the local fleet that "npm start" runs
(.cronium/local.json in this folder or above it).`;

/** All commands of `cronium`. The program never ends the process: errors of usage are thrown as CommanderError. */
export function buildProgram(run: Run): Command {
  const program = new Command('cronium')
    .description('Runs jobs on a Cronium fleet and watches them.')
    .version(manifest.version, '--version', 'print the version of the command line')
    .option('--json', 'print JSON, for programs')
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(withNearOnly(text)) })
    .addHelpText('after', EXAMPLES);
  for (const add of [
    addRun,
    addSubmit,
    addBatch,
    addBatches,
    addJobs,
    addInspect,
    addArtifacts,
    addControl,
    addNode,
    addFleet,
    addTop,
    addSchedules,
    addAudit,
    addFlows,
    addAuditLog,
    addCompletion,
  ])
    add(program, run);
  leadToHelp(program, 'cronium');
  return program;
}

const SUGGESTION = /'(?:--)?([^']+)'\n\(Did you mean (?:one of )?([^?]+)\?\)/;

/** commander suggests what shares half of its letters: `death` for `delete`. Only a slip of the pen is worth a guess. */
function withNearOnly(text: string): string {
  const [, given = '', suggested = ''] = SUGGESTION.exec(text) ?? [];
  const near = suggested.split(', ').filter((name) => isSlip(given, name.replace(/^--/, '')));
  const question = near.length === 0 ? '' : `\n(Did you mean ${near.join(' or ')}?)`;
  return text.replace(/\n\(Did you mean [^?]+\?\)/, question);
}

function isSlip(given: string, meant: string): boolean {
  return editDistance(given, meant) <= (meant.length < 7 ? 1 : 2);
}

/** A wrong call leads to the help of the command that was called. */
function leadToHelp(command: Command, name: string): void {
  command.showHelpAfterError(`(what there is: ${name} --help)`);
  for (const own of command.commands) leadToHelp(own, `${name} ${own.name()}`);
}
