import type { JobSummary } from '@cronium/contracts';
import { type Context, note, print } from '../context.ts';
import { ago, type Column, type Paint, paintState, ran, table } from '../render/index.ts';
import { labelOption, numberOption, type Register } from './register.ts';

interface JobsOptions {
  readonly state?: string;
  readonly batch?: string;
  readonly pool?: string;
  readonly label?: string;
  readonly name?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit: number;
}

/** `cronium jobs`: a table of jobs. */
export const addJobs: Register = (program, run) => {
  program
    .command('jobs')
    .description('Lists jobs, newest first.')
    .option('--state <state>', 'queued, running, succeeded, failed, timed_out, cancelled, lost, …')
    .option('--batch <id>', 'of one batch')
    .option('--pool <pool>', 'of one pool')
    .option('--label <name=value>', 'with this label', labelOption)
    .option('--name <text>', 'whose name has this text')
    .option('--from <time>', 'accepted at this time (ISO 8601) or later')
    .option('--to <time>', 'accepted before this time')
    .option('-n, --limit <number>', 'at most so many', numberOption({ min: 1, whole: true }), 50)
    .action(run(jobs));
};

async function jobs(context: Context, options: JobsOptions): Promise<undefined> {
  const list = await Array.fromAsync(context.client().jobs({ ...options, signal: context.signal }));
  await print(context, { jobs: list }, () => (list.length === 0 ? [] : jobTable(context, list)));
  if (list.length === 0) await note(context, 'No such jobs.');
}

function jobTable({ terminal, now }: Context, list: readonly JobSummary[]): string[] {
  const paint = terminal.out.paint;
  return table(list, jobColumns(paint, now()), { width: terminal.width, paint });
}

/** The columns of a table of jobs. */
export function jobColumns(paint: Paint, nowMs: number): Column<JobSummary>[] {
  return [
    { title: 'ID', value: ({ id }) => id },
    { title: 'NAME', value: ({ name }) => name || '-', flexible: true },
    { title: 'TYPE', value: ({ type }) => type },
    { title: 'STATE', value: ({ state }) => state, paint: ({ state }) => paintState(paint, state) },
    { title: 'EXIT', value: ({ exitCode }) => String(exitCode ?? '-'), align: 'right' },
    { title: 'CAUSE', value: ({ cause }) => cause ?? '-' },
    { title: 'TRY', value: ({ attempts }) => String(attempts), align: 'right' },
    { title: 'NODE', value: ({ node }) => node ?? '-', flexible: true },
    { title: 'RAN', value: (job) => ran(job, nowMs), align: 'right' },
    { title: 'ACCEPTED', value: ({ acceptedAt }) => ago(acceptedAt, nowMs), align: 'right' },
  ];
}
