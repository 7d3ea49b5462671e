import { readFileSync } from 'node:fs';
import type { ScheduleInput, ScheduleView } from '@cronium/contracts';
import { type Context, note, print } from '../context.ts';
import { CommandError, EXIT } from '../failure.ts';
import { ago, type Column, duration, table } from '../render/index.ts';
import type { Register } from './register.ts';

/** `cronium schedule …`. */
export const addSchedules: Register = (program, run) => {
  const schedule = program.command('schedule').description('Jobs that start by themselves at certain times.');
  schedule.command('list').description('Lists the schedules.').action(run(list));
  schedule
    .command('put')
    .description('Makes or changes a schedule, from a file with {cron, timeZone, job, …} (JSON).')
    .argument('<name>')
    .argument('<file>', 'a JSON file; "-" for standard input')
    .action(run(put));
  schedule
    .command('show')
    .description('Shows a schedule as JSON, as put takes it back.')
    .argument('<name>')
    .action(run(show));
  for (const [verb, done] of [
    ['pause', 'starts nothing'],
    ['resume', 'goes on'],
    ['remove', 'is removed'],
  ] as const) {
    schedule
      .command(verb)
      .description({ pause: 'Starts nothing by it.', resume: 'Lets it go on.', remove: 'Removes it.' }[verb])
      .argument('<name>')
      .action(
        run(async (context, name: string) => {
          const { schedules } = context.client();
          const act = {
            pause: () => schedules.pause(name, context),
            resume: () => schedules.resume(name, context),
            remove: () => schedules.remove(name, context),
          }[verb];
          await print(context, (await act()) ?? { name }, () => [`${name} ${done}`]);
          return EXIT.ok;
        }),
      );
  }
};

async function list(context: Context): Promise<undefined> {
  const schedules = await context.client().schedules.list({ signal: context.signal });
  const { width, out } = context.terminal;
  await print(context, { schedules }, () =>
    schedules.length === 0 ? [] : table(schedules, columns(context.now()), { width, paint: out.paint }),
  );
  if (schedules.length === 0)
    await note(context, 'There is no schedule. Make one: cronium schedule put <name> <file>');
}

async function show(context: Context, name: string): Promise<undefined> {
  const view = await context.client().schedules.get(name, { signal: context.signal });
  const { cron, timeZone, everySeconds, overlap, catchUp, paused, job } = view;
  const rhythm = cron === null ? { everySeconds } : { cron, timeZone };
  await context.terminal.out.write(
    `${JSON.stringify(context.json ? view : { ...rhythm, overlap, catchUp, paused, job }, null, 2)}\n`,
  );
}

async function put(context: Context, name: string, file: string): Promise<undefined> {
  const text = await read(context, file);
  const schedule = parse(text, file);
  const view = await context.client().schedules.put(name, schedule, { signal: context.signal });
  const next = view.nextAt === null ? 'it is paused' : `next at ${view.nextAt}`;
  await print(context, view, () => [`${name}: ${next}`]);
}

async function read(context: Context, file: string): Promise<string> {
  if (file === '-') return Buffer.concat(await Array.fromAsync(context.terminal.stdin)).toString();
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CommandError(`${file}: there is no such file, or it cannot be read.`, {
      cause: error,
      exitCode: EXIT.usage,
    });
  }
}

/** What is wrong with it the producer says, field by field. */
function parse(text: string, file: string): ScheduleInput {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CommandError(`${file} is not JSON.`, { cause: error, exitCode: EXIT.usage });
  }
}

function columns(nowMs: number): Column<ScheduleView>[] {
  return [
    { title: 'NAME', value: ({ name }) => name },
    {
      title: 'WHEN',
      value: ({ cron, timeZone, everySeconds }) =>
        cron === null ? `every ${duration((everySeconds ?? 0) * 1000)}` : `${cron} ${timeZone}`,
      flexible: true,
    },
    { title: 'STATE', value: ({ paused }) => (paused ? 'paused' : 'on') },
    { title: 'NEXT', value: ({ nextAt }) => nextAt?.replace(/\.\d+Z$/, 'Z') ?? '-' },
    { title: 'LAST', value: ({ last }) => (last === null ? '-' : ago(last.at, nowMs)), align: 'right' },
    { title: 'RESULT', value: ({ last }) => last?.result ?? '-' },
    { title: 'JOB', value: ({ last }) => last?.jobId ?? '-' },
  ];
}
