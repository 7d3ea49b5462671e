import { setTimeout as wait } from 'node:timers/promises';
import type { CroniumClient } from '@cronium/client';
import type { JobPage } from '@cronium/contracts';
import { type Context, print } from '../context.ts';
import { explain } from '../failure.ts';
import { type TopView, topLines } from '../render/index.ts';
import { numberOption, type Register } from './register.ts';

interface TopOptions {
  readonly interval: number;
  readonly once?: boolean;
}

const JOBS_READ = 100;
const ALTERNATE = '\u001b[?1049h\u001b[?25l';
const NORMAL = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const REST_OF_LINE = '\u001b[K';
const REST_OF_SCREEN = '\u001b[J';

/** `cronium top`. */
export const addTop: Register = (program, run) => {
  program
    .command('top')
    .description('Shows nodes, queues and running jobs, and keeps showing them. Ctrl-C ends it.')
    .option('--interval <seconds>', 'between two looks', numberOption({ min: 0.2 }), 2)
    .option('--once', 'one look; so it is without a terminal')
    .action(run(top));
};

async function top(context: Context, { interval, once }: TopOptions): Promise<undefined> {
  const { out } = context.terminal;
  if (once === true || !out.isTerminal || context.json) {
    const view = await look(context);
    await print(context, view, () => screen(context, view, Number.POSITIVE_INFINITY));
    return;
  }
  await out.write(ALTERNATE);
  try {
    while (!context.signal.aborted) {
      const lines = screen(context, await look(context), context.terminal.height);
      await out.write(`${HOME}${lines.map((line) => line + REST_OF_LINE).join('\n')}${REST_OF_SCREEN}`);
      await wait(interval * 1000, undefined, { signal: context.signal }).catch(() => undefined);
    }
  } finally {
    await out.write(NORMAL);
  }
}

function screen({ terminal, now }: Context, view: TopView, height: number): string[] {
  return topLines(view, { width: terminal.width, height, paint: terminal.out.paint, nowMs: now() });
}

/** What cannot be read now is named on the screen, and the rest is shown. */
async function look(context: Context): Promise<TopView> {
  const client = context.client();
  const { signal } = context;
  const missing: string[] = [];
  const read = async <T>(what: string, asked: Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await asked;
    } catch (error) {
      const text = explain(error, undefined);
      if (signal.aborted) return otherwise;
      if (text === undefined) throw error;
      missing.push(`${what}: ${text.split('\n')[0]}`);
      return otherwise;
    }
  };
  const [{ workers }, { queues }, running, failed] = await Promise.all([
    read('nodes', client.workers({ signal }), { workers: [] }),
    read('queues', client.queues({ signal }), { queues: [] }),
    read('running jobs', jobsIn(client, 'claimed,preparing,running,draining', signal), NONE),
    read('failed jobs', jobsIn(client, 'failed,timed_out,lost', signal), NONE),
  ]);
  const hasMore = { running: running.cursor !== null, failed: failed.cursor !== null };
  return { workers, queues, running: running.jobs, failed: failed.jobs, hasMore, missing };
}

const NONE: JobPage = { jobs: [], cursor: null };

function jobsIn(client: CroniumClient, state: string, signal: AbortSignal): Promise<JobPage> {
  return client.jobPage({ state, limit: JOBS_READ }, { signal });
}
