import type { FlowInput, FlowSummary, FlowView } from '@cronium/contracts';
import { type Context, note, print } from '../context.ts';
import { CommandError, EXIT } from '../failure.ts';
import { openInput } from '../input.ts';
import { ago, between, type Column, LiveLine, paintState, table } from '../render/index.ts';
import { numberOption, type Register } from './register.ts';

/** `cronium flow …`. */
export const addFlows: Register = (program, run) => {
  const flow = program.command('flow').description('Jobs that wait for each other.');
  flow
    .command('submit')
    .description(
      'Submits a file with {name, steps: [{name, job, after: [{step, when}]}]} (JSON) and watches it to its end.',
    )
    .argument('<file>', 'a JSON file; "-" for standard input')
    .option('--idempotency-key <key>', 'sent again with the same key, it is the same flow')
    .option('-d, --detach', 'do not wait for its end')
    .action(run(submit));
  flow
    .command('list')
    .description('Lists flows, newest first.')
    .option('-n, --limit <number>', 'at most so many', numberOption({ min: 1, whole: true }), 50)
    .action(run(list));
  flow.command('show').description('Shows a flow and its steps.').argument('<id>').action(run(show));
  flow
    .command('watch')
    .description('Watches a flow to its end. The exit code is 1 when it did not succeed.')
    .argument('<id>')
    .action(run(watch));
  flow
    .command('cancel')
    .description('Starts nothing more of a flow, and cancels its jobs.')
    .argument('<id>')
    .action(
      run(async (context, id: string) => {
        await print(context, await context.client().flows.cancel(id, context), () => [
          `${id} is being cancelled`,
        ]);
        return EXIT.ok;
      }),
    );
};

interface SubmitOptions {
  readonly idempotencyKey?: string;
  readonly detach?: boolean;
}

async function submit(context: Context, file: string, options: SubmitOptions): Promise<number> {
  const input = await openInput(file, context.terminal);
  const text = Buffer.concat(await Array.fromAsync(input.bytes)).toString();
  const { idempotencyKey, detach } = options;
  const accepted = await context.client().flows.submit(parse(text, file), {
    signal: context.signal,
    ...(idempotencyKey !== undefined && { idempotencyKey }),
  });
  if (detach === true) {
    await print(context, accepted, () => [accepted.id]);
    return EXIT.ok;
  }
  await note(context, accepted.id);
  return watch(context, accepted.id);
}

/** What is wrong with it the producer says, field by field. */
function parse(text: string, file: string): FlowInput {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CommandError(`${file} is not JSON.`, { cause: error, exitCode: EXIT.usage });
  }
}

async function watch(context: Context, id: string): Promise<number> {
  const { err } = context.terminal;
  const line = new LiveLine(err.isTerminal && !context.json ? (text) => void err.write(text) : undefined);
  const view = await context.client().flows.waitFor(id, {
    signal: context.signal,
    onProgress: ({ done, steps }) => {
      const running = steps.filter(({ state }) => state === 'started').map(({ name }) => name);
      line.show(
        `${done}/${steps.length} steps done${running.length > 0 ? `, now: ${running.join(', ')}` : ''}`,
      );
    },
  });
  line.clear();
  await print(context, view, () => flowLines(context, view));
  return view.state === 'succeeded' ? EXIT.ok : EXIT.failed;
}

async function show(context: Context, id: string): Promise<undefined> {
  const view = await context.client().flows.get(id, { signal: context.signal });
  await print(context, view, () => flowLines(context, view));
}

type Step = FlowView['steps'][number];

function flowLines({ terminal, now }: Context, view: FlowView): string[] {
  const { paint } = terminal.out;
  const title = view.name === '' ? view.id : `${view.id} (${view.name})`;
  const columns: Column<Step>[] = [
    { title: 'STEP', value: ({ name }) => name },
    {
      title: 'STATE',
      value: stateOf,
      paint: (step, text) => text.replace(stateOf(step), (state) => paintState(paint, state)),
    },
    {
      title: 'AFTER',
      value: ({ after }) =>
        after.map(({ step, when }) => (when === 'succeeded' ? step : `${step}:${when}`)).join(', ') || '-',
      flexible: true,
    },
    { title: 'JOB', value: ({ jobState, jobId }) => (jobState === null ? '-' : jobId) },
    { title: 'WHY', value: ({ reason }) => reason ?? '', flexible: true },
  ];
  return [
    `${paint('bold', title)}  ${paintState(paint, view.state)}  ${between(view.createdAt, view.endedAt, now())}`,
    ...table(view.steps, columns, { width: terminal.width, paint }),
  ];
}

function stateOf({ state, jobState }: Step): string {
  return state === 'started' || state === 'ended' ? (jobState ?? state) : state;
}

async function list(context: Context, { limit }: { limit: number }): Promise<undefined> {
  const { signal, terminal } = context;
  const flows = await Array.fromAsync(context.client().flows.list({ limit, signal }));
  const { paint } = terminal.out;
  const columns: Column<FlowSummary>[] = [
    { title: 'ID', value: ({ id }) => id },
    { title: 'NAME', value: ({ name }) => name || '-', flexible: true },
    { title: 'STATE', value: ({ state }) => state, paint: ({ state }) => paintState(paint, state) },
    { title: 'DONE', value: ({ done, steps }) => `${done}/${steps}`, align: 'right' },
    { title: 'CREATED', value: ({ createdAt }) => ago(createdAt, context.now()), align: 'right' },
  ];
  await print(context, { flows }, () =>
    flows.length === 0 ? [] : table(flows, columns, { width: terminal.width, paint }),
  );
  if (flows.length === 0) await note(context, 'There is no flow.');
}
