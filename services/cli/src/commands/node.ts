import { type Context, note, print } from '../context.ts';
import { EXIT } from '../failure.ts';
import { plain } from '../render/index.ts';
import type { Register } from './register.ts';

/** Commands that look after nodes. */
export const addNode: Register = (program, run) => {
  const node = program.command('node').description('Looks after nodes.');
  node
    .command('reconcile')
    .description(
      'Removes what in a node’s Docker belongs to no attempt; of every living node without a name.',
    )
    .argument('[node]')
    .option('--dry-run', 'only name it')
    .action(run(reconcile));
};

async function reconcile(
  context: Context,
  named: string | undefined,
  { dryRun = false }: { dryRun?: boolean },
): Promise<number> {
  const nodes = named === undefined ? await livingNodes(context) : [named];
  if (nodes.length === 0) await note(context, 'No node is there. Is a worker running?');
  for (const node of nodes) {
    const view = await context.client().reconcile(node, { signal: context.signal, dryRun });
    const what = dryRun ? 'would remove' : 'removed';
    await print(context, view, () =>
      view.orphans.length === 0
        ? [`${plain(node)}: nothing is left behind`]
        : view.orphans.map((orphan) => `${plain(node)}: ${what} ${plain(orphan)}`),
    );
  }
  return nodes.length === 0 ? EXIT.failed : EXIT.ok;
}

async function livingNodes(context: Context): Promise<string[]> {
  const { workers } = await context.client().workers({ signal: context.signal });
  return workers.filter(({ state }) => state !== 'gone' && state !== 'stopped').map(({ node }) => node);
}
