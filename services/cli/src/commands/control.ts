import { setTimeout as after } from 'node:timers/promises';
import { type Context, note, print } from '../context.ts';
import { EXIT, explain } from '../failure.ts';
import { LiveLine } from '../render/index.ts';
import type { Register } from './register.ts';

/** Commands that change jobs, nodes and pools. */
export const addControl: Register = (program, run) => {
  program
    .command('cancel')
    .description('Cancels jobs, or all jobs of a batch.')
    .argument('<id...>')
    .action(run(cancel));
  program
    .command('retry')
    .description('Puts ended jobs into the queue again; of a batch, those of one state.')
    .argument('<id...>')
    .option('--state <state>', 'of a batch: which jobs', 'failed')
    .action(run(retry));
  program
    .command('drain')
    .description('Lets a node finish what it runs and take nothing new.')
    .argument('<node>')
    .option('-w, --wait', 'until nothing runs there any more')
    .action(run(drain));
  program
    .command('resume')
    .description('Lets a drained node take jobs again.')
    .argument('<node>')
    .action(run((context, node: string) => control(context, [node], 'resumed', resumeNode)));
  program
    .command('pause')
    .description('Lets the jobs of a pool wait.')
    .argument('<pool>')
    .action(run((context, pool: string) => setPool(context, pool, { done: 'paused', act: pausePool })));
  program
    .command('unpause')
    .description('Lets the jobs of a paused pool go on.')
    .argument('<pool>')
    .action(run((context, pool: string) => setPool(context, pool, { done: 'goes on', act: unpausePool })));
};

/** A pool has no list of its own: one that no node serves may be about to be, or be a slip of the pen. */
async function setPool(
  context: Context,
  pool: string,
  { done, act }: { readonly done: string; readonly act: Control },
): Promise<number> {
  const code = await control(context, [pool], done, act);
  const { workers } = await context.client().workers({ signal: context.signal });
  if (!workers.some(({ pools, state }) => state !== 'gone' && pools.includes(pool)))
    await note(context, `No worker serves ${pool} now. Pools stand in: cronium workers`);
  return code;
}

const LOOK_EVERY_MS = 1000;

async function drain(context: Context, node: string, { wait }: { wait?: boolean }): Promise<number> {
  const code = await control(context, [node], 'draining', drainNode);
  if (wait !== true) return code;
  const line = new LiveLine(
    context.terminal.err.isTerminal ? (text) => void context.terminal.err.write(text) : undefined,
  );
  for (;;) {
    const { workers } = await context.client().workers({ signal: context.signal });
    const worker = workers.find((one) => one.node === node);
    if (worker === undefined || worker.busy === 0 || worker.state === 'gone') break;
    line.show(`${worker.busy} of its jobs still run`);
    await after(LOOK_EVERY_MS, undefined, { signal: context.signal });
  }
  line.clear();
  await note(context, `${node} is empty. Stop it, or let it go on: cronium resume ${node}`);
  return code;
}

type Control = (context: Context, id: string) => Promise<unknown>;

const drainNode: Control = (context, id) => context.client().drain(id, context);
const resumeNode: Control = (context, id) => context.client().resume(id, context);
const pausePool: Control = (context, id) => context.client().pauseQueue(id, context);
const unpausePool: Control = (context, id) => context.client().resumeQueue(id, context);

function isBatch(id: string): boolean {
  return id.startsWith('batch_');
}

function cancel(context: Context, ids: string[]): Promise<number> {
  return control(context, ids, 'is being cancelled', (_, id) =>
    isBatch(id) ? context.client().cancelBatch(id, context) : context.client().cancel(id, context),
  );
}

function retry(context: Context, ids: string[], { state }: { state: string }): Promise<number> {
  const { signal } = context;
  return control(context, ids, 'is queued again', (_, id) =>
    isBatch(id) ? context.client().retryBatch(id, { signal, state }) : context.client().retry(id, context),
  );
}

/** Does it for each; one that fails does not keep the others from it. */
async function control(
  context: Context,
  ids: readonly string[],
  done: string,
  act: Control,
): Promise<number> {
  let failures = 0;
  for (const id of ids) {
    try {
      const answer = await act(context, id);
      await print(context, answer ?? { id }, () => [`${id} ${done}`]);
    } catch (error) {
      const text = explain(error, undefined);
      if (text === undefined || ids.length === 1) throw error;
      failures += 1;
      await context.terminal.err.write(`${id}: ${text}\n`);
    }
  }
  return failures === 0 ? EXIT.ok : EXIT.failed;
}
