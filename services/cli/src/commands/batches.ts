import type { BatchView } from '@cronium/contracts';
import { type Context, note, print } from '../context.ts';
import { ago, type Column, type Paint, table } from '../render/index.ts';
import { numberOption, type Register } from './register.ts';

/** `cronium batches`: a table of batches. */
export const addBatches: Register = (program, run) => {
  program
    .command('batches')
    .description('Lists batches, newest first, with how many of their jobs ended and how.')
    .option('-n, --limit <number>', 'at most so many', numberOption({ min: 1, whole: true }), 20)
    .action(run(batches));
};

async function batches(context: Context, { limit }: { limit: number }): Promise<undefined> {
  const { signal, terminal } = context;
  const list = await Array.fromAsync(context.client().explore.everyBatch({ limit, signal }));
  const { paint } = terminal.out;
  await print(context, { batches: list }, () =>
    list.length === 0 ? [] : table(list, columns(paint, context.now()), { width: terminal.width, paint }),
  );
  if (list.length === 0) await note(context, 'There is no batch yet. Submit one: cronium batch <file>');
}

function columns(paint: Paint, nowMs: number): Column<BatchView>[] {
  const bad = ({ counts }: BatchView) => counts.failed + counts.timed_out + counts.lost;
  return [
    { title: 'ID', value: ({ id }) => id },
    { title: 'NAME', value: ({ name }) => name ?? '-', flexible: true },
    { title: 'ENDED', value: ({ ended, total }) => `${ended}/${total}`, align: 'right' },
    { title: 'RUNNING', value: ({ counts }) => String(counts.running), align: 'right' },
    { title: 'SUCCEEDED', value: ({ counts }) => String(counts.succeeded), align: 'right' },
    {
      title: 'FAILED',
      value: (view) => String(bad(view)),
      paint: (view, text) => (bad(view) > 0 ? paint('red', text) : text),
      align: 'right',
    },
    { title: 'CANCELLED', value: ({ counts }) => String(counts.cancelled), align: 'right' },
    { title: 'REFUSED', value: ({ rejected }) => String(rejected), align: 'right' },
    { title: 'SUBMITTED', value: ({ createdAt }) => ago(createdAt, nowMs), align: 'right' },
  ];
}
