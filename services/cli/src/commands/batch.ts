import { existsSync } from 'node:fs';
import type { AcceptedBatch, BatchView, RejectedLine } from '@cronium/contracts';
import { type Context, note, print } from '../context.ts';
import { CommandError, EXIT } from '../failure.ts';
import { type Input, openInput } from '../input.ts';
import { duration, LiveLine, paintState, progressLine } from '../render/index.ts';
import { drawingWidth } from '../terminal.ts';
import type { Register } from './register.ts';

interface BatchOptions {
  readonly name?: string;
  readonly atomic?: boolean;
  readonly idempotencyKey?: string;
  readonly detach?: boolean;
  readonly watch?: boolean;
}

const BATCH_ID = /^batch_[0-9A-Za-z]{12}$/;
const LISTED_REJECTIONS = 20;

/** `cronium batch` and `cronium watch`. */
export const addBatch: Register = (program, run) => {
  program
    .command('batch')
    .description(
      'Submits a file with one job (JSON) a line and watches it to its end; or shows a batch that was submitted before.',
    )
    .argument('<file-or-id>', 'an NDJSON file, "-" for stdin, or a batch’s id')
    .option('--name <name>', 'a name for the batch')
    .option('--atomic', 'all lines or none')
    .option('--idempotency-key <key>', 'sent again with the same key, only what is missing is added')
    .option('-d, --detach', 'do not wait for its end')
    .option('-w, --watch', 'with an id: watch it to its end')
    .action(run(batch));
  program
    .command('watch')
    .description('Watches a batch to its end. The exit code is 1 when a job did not succeed.')
    .argument('<id>', 'a batch’s id')
    .action(run(watch));
};

async function batch(context: Context, target: string, options: BatchOptions): Promise<number> {
  if (BATCH_ID.test(target)) {
    if (options.watch === true) return watch(context, target);
    const view = await context.client().batch(target, { signal: context.signal });
    await print(context, view, () => summary(context, view));
    return EXIT.ok;
  }
  if (target.startsWith('batch_') && !existsSync(target))
    throw new CommandError(`${target} is neither a batch's id nor a file.`, { exitCode: EXIT.usage });
  const accepted = await upload(context, await openInput(target, context.terminal), options);
  await tellRejected(context, accepted);
  if (options.detach === true) {
    await print(context, accepted, () => [accepted.batchId]);
    return accepted.rejectedTotal > 0 ? EXIT.failed : EXIT.ok;
  }
  await note(
    context,
    `${accepted.batchId}: ${accepted.accepted} accepted, ${accepted.rejectedTotal} rejected`,
  );
  const view = await watchToEnd(context, accepted.batchId);
  await print(context, { ...accepted, ...view, rejected: accepted.rejected }, () => summary(context, view));
  return accepted.rejectedTotal > 0 ? EXIT.failed : exitCodeOfBatch(view);
}

async function upload(context: Context, input: Input, options: BatchOptions): Promise<AcceptedBatch> {
  const { name, atomic, idempotencyKey } = options;
  const line = liveLine(context);
  try {
    return await context.client().submitBatch(counted(context, input, line), {
      signal: context.signal,
      ...(name !== undefined && { name }),
      ...(atomic === true && { atomic }),
      ...(idempotencyKey !== undefined && { idempotencyKey }),
    });
  } finally {
    line.clear();
  }
}

/** The input's bytes as they are; what has been sent is shown. */
async function* counted(context: Context, input: Input, line: LiveLine): AsyncGenerator<Uint8Array> {
  let sent = 0;
  for await (const bytes of input.bytes) {
    sent += bytes.length;
    const share = input.size === undefined ? '' : ` of ${mebibytes(input.size)}`;
    line.show(context.terminal.err.paint('dim', `sending ${input.name}: ${mebibytes(sent)}${share}`));
    yield bytes;
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

async function tellRejected(context: Context, { rejected, rejectedTotal }: AcceptedBatch): Promise<void> {
  for (const line of rejected.slice(0, LISTED_REJECTIONS)) await note(context, rejection(line));
  const left = rejectedTotal - Math.min(rejected.length, LISTED_REJECTIONS);
  if (left > 0) await note(context, `… and ${left} more lines. All: --json`);
}

function rejection({ line, errors }: RejectedLine): string {
  return `line ${line}: ${errors.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ')}`;
}

async function watch(context: Context, id: string): Promise<number> {
  const view = await watchToEnd(context, id);
  await print(context, view, () => summary(context, view));
  return exitCodeOfBatch(view);
}

async function watchToEnd(context: Context, id: string): Promise<BatchView> {
  const line = liveLine(context);
  const paint = context.terminal.err.paint;
  const startedAt = context.now();
  let before: number | undefined;
  try {
    return await context.client().waitForBatch(id, {
      signal: context.signal,
      everyMs: 500,
      onProgress(view) {
        before ??= view.ended;
        const seconds = (context.now() - startedAt) / 1000;
        const perSecond = seconds < 1 ? null : (view.ended - before) / seconds;
        const failed = view.ended - view.counts.succeeded;
        const facts = { done: view.ended, total: view.total, failed, running: view.counts.running };
        line.show(
          progressLine(
            { ...facts, perSecond, etaSeconds: view.etaSeconds },
            { width: drawingWidth(context.terminal), paint },
          ),
        );
      },
    });
  } finally {
    line.clear();
  }
}

function liveLine({ json, terminal: { err } }: Context): LiveLine {
  return new LiveLine(err.isTerminal && !json ? (text) => void err.write(text) : undefined);
}

function exitCodeOfBatch(view: BatchView): number {
  return view.counts.succeeded === view.total ? EXIT.ok : EXIT.failed;
}

function summary(context: Context, view: BatchView): string[] {
  const { paint } = context.terminal.out;
  const states = Object.entries(view.counts).filter(([, count]) => count > 0);
  const bad = (['failed', 'timed_out', 'lost'] as const).filter((state) => view.counts[state] > 0);
  const title = view.name === null ? view.id : `${view.id} (${view.name})`;
  const { p50, p95, p99 } = view.percentiles;
  return [
    `${paint('bold', title)}  ${view.ended}/${view.total} ended${view.complete ? '' : ', lines are still coming'}`,
    ...states.map(([state, count]) => `  ${paintState(paint, state)} ${count}`),
    ...(p50 === null
      ? []
      : [`  run time p50 ${duration(p50)}, p95 ${duration(p95 ?? p50)}, p99 ${duration(p99 ?? p50)}`]),
    ...(bad.length > 0 ? [`  Which: cronium jobs --batch ${view.id} --state ${bad.join(',')}`] : []),
  ];
}
