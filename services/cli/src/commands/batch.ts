import { existsSync } from 'node:fs';
import type { AcceptedBatch, BatchView, RejectedLine } from '@cronium/contracts';
import { type Context, note, print } from '../context.ts';
import { CommandError, EXIT } from '../failure.ts';
import { type Input, openInput } from '../input.ts';
import { LiveLine, progressLine } from '../render/index.ts';
import { drawingWidth } from '../terminal.ts';
import { batchSummary } from './batch-summary.ts';
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
      `Submits a file with one job (JSON) a line and watches it to its end; or shows a batch that was submitted before. The exit code is ${EXIT.failed} when lines were refused or, unless it is detached, a job did not succeed.`,
    )
    .argument('<file-or-id>', 'an NDJSON file, "-" for stdin, or a batch’s id')
    .option('--name <name>', 'a name for the batch')
    .option('--atomic', 'all lines or none')
    .option('--idempotency-key <key>', 'sent again with the same key, only what is missing is added')
    .option('-d, --detach', 'print the batch’s id and do not wait for its end')
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
    await printSummary(context, view, view);
    return EXIT.ok;
  }
  if (!existsSync(target)) refuseOtherIds(target);
  const accepted = await upload(context, await openInput(target, context.terminal), options);
  await tellRejected(context, accepted);
  const { batchId, rejectedTotal } = accepted;
  await note(context, `${batchId}: ${accepted.accepted} accepted, ${rejectedTotal} refused`);
  if (options.detach === true) {
    await print(context, accepted, () => [batchId]);
    return rejectedTotal > 0 ? EXIT.failed : EXIT.ok;
  }
  const view = await watchToEnd(context, batchId);
  await printSummary(context, view, { ...accepted, ...view, rejected: accepted.rejected });
  return rejectedTotal > 0 ? EXIT.failed : exitCodeOfBatch(view);
}

function refuseOtherIds(target: string): void {
  const hint = target.startsWith('batch_')
    ? `${target} is neither a batch's id nor a file. List what there is: cronium batches`
    : target.startsWith('job_')
      ? `${target} is a job, not a batch or a file. Look at it: cronium job ${target}`
      : undefined;
  if (hint !== undefined) throw new CommandError(hint, { exitCode: EXIT.usage });
}

/** A person also sees what ended the jobs that did not succeed. */
async function printSummary(context: Context, view: BatchView, json: unknown): Promise<void> {
  const isAllWell = view.ended === view.counts.succeeded;
  const { groups } =
    context.json || isAllWell
      ? { groups: [] }
      : await context.client().explore.batchFailures(view.id, { signal: context.signal });
  await print(context, json, () => batchSummary(view, groups, context.terminal.out.paint));
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
  await printSummary(context, view, view);
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
