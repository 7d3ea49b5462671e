import { webhookText } from '@cronium/client';
import type { JobView } from '@cronium/contracts';
import { type Context, print } from '../context.ts';
import { CommandError, EXIT } from '../failure.ts';
import { duration, explainDeath, paintState, plain, ran, waterfall } from '../render/index.ts';
import { drawingWidth } from '../terminal.ts';
import { writeBatchLogs } from './batch-logs.ts';
import { batchExplanation, type WaitingJob } from './batch-summary.ts';
import { writeLog } from './follow.ts';
import { numberOption, type Register } from './register.ts';

const attemptOption = [
  '--attempt <number>',
  'of this attempt',
  numberOption({ min: 1, whole: true }),
] as const;

/** Commands that show one job. */
export const addInspect: Register = (program, run) => {
  program.command('job').description('Shows one job.').argument('<id>').action(run(job));
  program
    .command('logs')
    .description('Prints what a job wrote, each stream to its own; of a batch, with the name of each job.')
    .argument('<id>', 'a job’s id, or a batch’s')
    .option('-f, --follow', 'go on to the end of the job')
    .option(...attemptOption)
    .option('--stdout', 'only its standard output')
    .option('--stderr', 'only its standard error')
    .option('--after <seq>', 'only lines after this number', numberOption({ min: 0, whole: true }))
    .action(run(logs));
  program
    .command('trace')
    .description('Shows where the time of a job went, as a waterfall.')
    .argument('<id>', 'a job’s id, or a trace’s')
    .action(run(trace));
  program
    .command('why')
    .description(
      'Says why a job is where it is; of a batch, what ended those that did not succeed, and why others wait.',
    )
    .argument('<id>', 'a job’s id, or a batch’s')
    .action(run(why));
  program
    .command('death')
    .description('Says what ended an attempt, with the evidence.')
    .argument('<id>')
    .option(...attemptOption)
    .action(run(death));
};

function isBatch(id: string): boolean {
  return id.startsWith('batch_');
}

/** @throws CommandError that leads from a batch to its jobs */
function mustBeJob(id: string, command: string): void {
  if (!isBatch(id)) return;
  throw new CommandError(
    `${id} is a batch, and ${command} shows one job. What ended its jobs: cronium why ${id}\nWhich they are: cronium jobs --batch ${id}`,
    { exitCode: EXIT.usage },
  );
}

interface LogsOptions {
  readonly follow?: boolean;
  readonly attempt?: number;
  readonly stdout?: boolean;
  readonly stderr?: boolean;
  readonly after?: number;
}

async function logs(context: Context, id: string, options: LogsOptions): Promise<undefined> {
  const { follow = false, attempt, after } = options;
  const stream =
    options.stdout === options.stderr ? undefined : options.stdout === true ? 'stdout' : 'stderr';
  if (isBatch(id)) {
    await writeBatchLogs(context, id, { follow, ...(stream !== undefined && { stream }) });
    return;
  }
  await writeLog(context, id, {
    follow,
    signal: context.signal,
    ...(attempt !== undefined && { attempt }),
    ...(after !== undefined && { after }),
    ...(stream !== undefined && { stream }),
  });
}

async function trace(context: Context, id: string): Promise<undefined> {
  mustBeJob(id, 'trace');
  const { signal, terminal } = context;
  const isTraceId = /^[0-9a-f]{32}$/.test(id);
  const view = await (isTraceId
    ? context.client().traceById(id, { signal })
    : context.client().trace(id, { signal }));
  const options = { width: drawingWidth(terminal), paint: terminal.out.paint, nowMs: context.now() };
  await print(context, view, () => waterfall(view, options));
}

async function why(context: Context, id: string): Promise<undefined> {
  if (isBatch(id)) return whyOfBatch(context, id);
  const view = await context.client().why(id, { signal: context.signal });
  const { paint } = context.terminal.out;
  const facts = Object.entries(view.facts)
    .filter(([, value]) => says(value))
    .map(([name, value]) => `  ${words(name)}: ${fact(value)}`);
  await print(context, view, () => [
    `${paintState(paint, view.state)}: ${plain(view.explanation)}`,
    ...facts,
  ]);
}

async function whyOfBatch(context: Context, id: string): Promise<undefined> {
  const { signal } = context;
  const client = context.client();
  const [view, failures] = await Promise.all([
    client.batch(id, { signal }),
    client.explore.batchFailures(id, { signal }),
  ]);
  const waits = context.json || view.counts.queued === 0 ? undefined : await whyOneWaits(context, id);
  const { paint } = context.terminal.out;
  await print(context, failures, () => batchExplanation(view, { groups: failures.groups, waits }, paint));
}

/** The newest of its waiting jobs stands for the others. */
async function whyOneWaits(context: Context, batch: string): Promise<WaitingJob | undefined> {
  const { signal } = context;
  const client = context.client();
  const [job] = (await client.jobPage({ batch, state: 'queued', limit: 1 }, { signal })).jobs;
  return job && { id: job.id, explanation: (await client.why(job.id, { signal })).explanation };
}

/** Nothing, and empty lists, tell a person nothing. */
function says(value: unknown): boolean {
  return (
    value !== null && value !== undefined && !(typeof value === 'object' && Object.keys(value).length === 0)
  );
}

function words(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function fact(value: unknown): string {
  return plain(typeof value === 'string' ? value : JSON.stringify(value));
}

async function death(context: Context, id: string, options: { attempt?: number }): Promise<undefined> {
  mustBeJob(id, 'death');
  const { attempt } = options;
  const record = await context
    .client()
    .death(id, { signal: context.signal, ...(attempt !== undefined && { attempt }) });
  await print(context, record, () => explainDeath(record, context.terminal.out.paint));
}

async function job(context: Context, id: string): Promise<undefined> {
  if (isBatch(id))
    throw new CommandError(`${id} is a batch. Look at it: cronium batch ${id}`, { exitCode: EXIT.usage });
  const view = await context.client().job(id, { signal: context.signal });
  await print(context, view, () => jobLines(context, view));
}

function jobLines({ terminal, now }: Context, view: JobView): string[] {
  const { paint } = terminal.out;
  const facts: [string, string | null][] = [
    ['name', view.name || null],
    ['state', paintState(paint, view.state)],
    ['exit code', view.exitCode === null ? null : String(view.exitCode)],
    ['cause', view.cause],
    ['message', view.attemptList.at(-1)?.message ?? null],
    ['type', view.type],
    ['pool', view.pool],
    ['node', view.node],
    ['batch', view.batchId],
    ['attempts', String(view.attempts)],
    ['accepted', view.acceptedAt],
    ['ran', view.startedAt === null ? null : ran(view, now())],
    ['phases', phases(view.timings) || null],
    ['progress', progress(view)],
    ['condition', view.condition === null ? null : String(view.condition)],
    ['output', view.output === null ? null : JSON.stringify(view.output)],
    ['webhook', view.webhook === undefined ? null : webhookText(view.webhook)],
    ['trace', view.traceId],
  ];
  return [
    paint('bold', view.id),
    ...facts.flatMap(([name, value]) =>
      value === null ? [] : [`  ${name.padEnd(10)} ${name === 'state' ? value : plain(value)}`],
    ),
  ];
}

function phases(timings: Readonly<Record<string, number>>): string {
  return Object.entries(timings)
    .map(([phase, milliseconds]) => `${phase} ${duration(milliseconds)}`)
    .join(', ');
}

function progress({ progress: value }: JobView): string | null {
  if (value === null) return null;
  return [value.percent === null ? '' : `${value.percent}%`, value.message ?? ''].join(' ').trim();
}
