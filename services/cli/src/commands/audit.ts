import type { AccountsView, Discrepancy } from '@cronium/contracts';
import { type Context, print } from '../context.ts';
import { EXIT } from '../failure.ts';
import { type Column, table } from '../render/index.ts';
import type { Register } from './register.ts';

/** `cronium audit`. */
export const addAudit: Register = (program, run) => {
  program
    .command('audit')
    .description(
      'Balances the accounts: every accepted job is ended, waiting or running, and Docker runs what ought to run. Exits with 1 when not. For admins.',
    )
    .action(run(audit));
};

async function audit(context: Context): Promise<number> {
  const view = await context.client().accounts({ signal: context.signal });
  const { width, out } = context.terminal;
  await print(context, view, () => [
    sum(view),
    ...(view.balanced
      ? ['The accounts balance.']
      : table(view.discrepancies, COLUMNS, { width, paint: out.paint })),
  ]);
  return view.balanced ? EXIT.ok : EXIT.failed;
}

function sum({ accepted, ended, waiting, running, containers, nodes }: AccountsView): string {
  return `${accepted} accepted = ${ended} ended + ${waiting} waiting + ${running} running; ${counted(containers, 'container runs', 'containers run')} on ${counted(nodes.length, 'node', 'nodes')}`;
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

const COLUMNS: readonly Column<Discrepancy>[] = [
  { title: 'WHAT', value: ({ kind }) => kind.replaceAll('_', ' ') },
  { title: 'JOB', value: ({ jobId }) => jobId ?? '-' },
  { title: 'NODE', value: ({ node }) => node ?? '-' },
  { title: 'WHY', value: ({ message }) => message },
];
