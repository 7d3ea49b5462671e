import type { WorkersView } from '@cronium/contracts';
import { type Context, note, print } from '../context.ts';
import { ago, type Column, type Paint, paintState, queueColumns, table } from '../render/index.ts';
import type { Register } from './register.ts';

type Worker = WorkersView['workers'][number];

/** Commands that show the fleet as a whole. */
export const addFleet: Register = (program, run) => {
  program
    .command('workers')
    .description('Lists the nodes, what they can do and what they do.')
    .action(run(workers));
  program.command('queues').description('Lists the queues and what waits in them.').action(run(queues));
};

async function workers(context: Context): Promise<undefined> {
  const view = await context.client().workers({ signal: context.signal });
  const { paint } = context.terminal.out;
  const options = { width: context.terminal.width, paint };
  await print(context, view, () =>
    view.workers.length === 0 ? [] : table(view.workers, workerColumns(paint, context.now()), options),
  );
  if (view.workers.length === 0) await note(context, 'No node has ever reported. Is a worker running?');
}

function workerColumns(paint: Paint, nowMs: number): Column<Worker>[] {
  return [
    { title: 'NODE', value: ({ node }) => node },
    { title: 'STATE', value: ({ state }) => state, paint: ({ state }) => paintState(paint, state) },
    { title: 'BUSY', value: ({ busy, slots }) => `${busy}/${slots}`, align: 'right' },
    { title: 'POOLS', value: ({ pools }) => pools.join(','), flexible: true },
    { title: 'LABELS', value: ({ labels }) => pairs(labels) || '-', flexible: true },
    {
      title: 'SERVICES',
      value: ({ services }) => services.map(({ name }) => name).join(',') || '-',
      flexible: true,
    },
    {
      title: 'DOCKER',
      value: ({ docker }) => (docker === null ? '-' : `${docker.version} ${docker.cgroup}`),
    },
    { title: 'VERSION', value: ({ version }) => version },
    { title: 'SEEN', value: ({ lastSeenAt }) => ago(lastSeenAt, nowMs), align: 'right' },
    {
      title: 'WHY NOT READY',
      value: ({ state, reasons }) => (state === 'stopped' ? '' : reasons.join('; ')),
      flexible: true,
    },
  ];
}

async function queues(context: Context): Promise<undefined> {
  const view = await context.client().queues({ signal: context.signal });
  const { paint } = context.terminal.out;
  const options = { width: context.terminal.width, paint };
  await print(context, view, () =>
    view.queues.length === 0 ? [] : table(view.queues, queueColumns, options),
  );
  if (view.queues.length === 0) await note(context, 'No queue yet; the first job of a pool makes one.');
}

function pairs(record: Readonly<Record<string, string>>): string {
  return Object.entries(record)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
}
