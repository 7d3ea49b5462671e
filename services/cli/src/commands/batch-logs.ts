import { setTimeout as wait } from 'node:timers/promises';
import { type AttemptLogLine, logLineBytes } from '@cronium/client';
import type { JobSummary } from '@cronium/contracts';
import { type Context, note } from '../context.ts';
import { cut, padTo, plain, plainLog } from '../render/index.ts';

/** Which lines of a batch's jobs to show. */
export interface BatchLogsOptions {
  readonly follow: boolean;
  readonly stream?: 'stdout' | 'stderr';
}

const AT_ONCE = 16;
const LOOK_EVERY_MS = 1000;
const LABEL_COLUMNS = 20;
const HELD = 'claimed,preparing,running,draining';
const COLORS = ['cyan', 'yellow', 'green', 'magenta', 'blue', 'red'] as const;

/**
 * Writes the logs of all jobs of a batch, each line behind its job's name. Following, it shows those that run as they
 * write, at most {@link AT_ONCE} of them side by side, until the batch has ended; then all that was not shown yet.
 */
export async function writeBatchLogs(
  context: Context,
  batchId: string,
  options: BatchLogsOptions,
): Promise<void> {
  const shown = new Set<string>();
  const client = context.client();
  const { signal } = context;
  const show = (job: JobSummary, follow: boolean) => {
    shown.add(job.id);
    return writeJob(context, job, { ...options, follow });
  };
  await client.batch(batchId, { signal });
  const running = new Set<Promise<void>>();
  while (options.follow) {
    for await (const job of client.jobs({ batch: batchId, state: HELD, limit: AT_ONCE * 4, signal })) {
      if (shown.has(job.id) || running.size >= AT_ONCE) continue;
      const following = show(job, true).finally(() => running.delete(following));
      running.add(following);
    }
    const { ended, total, complete } = await client.batch(batchId, { signal });
    if (complete && ended >= total) break;
    await Promise.race([wait(LOOK_EVERY_MS, undefined, { signal }), Promise.all([...running, never])]);
  }
  await Promise.all(running);
  for await (const job of client.jobs({ batch: batchId, signal })) {
    if (!shown.has(job.id)) await show(job, false);
  }
  if (shown.size === 0) await note(context, `${batchId} has no job that wrote anything.`);
}

/** Lets a failure of one of many end a wait, and their success not. */
const never = new Promise<never>(() => undefined);

async function writeJob(
  context: Context,
  job: JobSummary,
  { follow, stream }: BatchLogsOptions,
): Promise<void> {
  if (job.attempts === 0 && !follow) return;
  const { signal } = context;
  const options = { follow, signal, ...(stream !== undefined && { stream }) };
  for await (const line of context.client().logs(job.id, options)) await writeLine(context, job, line);
}

async function writeLine(context: Context, job: JobSummary, line: AttemptLogLine): Promise<void> {
  const { out, err } = context.terminal;
  if (context.json) return out.write(`${JSON.stringify({ job: job.id, ...line })}\n`);
  const output = line.stream === 'stdout' ? out : err;
  const label = padTo(cut(plain(job.name || job.id), LABEL_COLUMNS), LABEL_COLUMNS);
  const color = COLORS[colorOf(job.id)] ?? 'cyan';
  const lead = `${output.paint(color, label)} ${output.paint('dim', '|')} `;
  const text = output.isTerminal
    ? Buffer.from(plainLog(line.text))
    : logLineBytes({ ...line, partial: true });
  // In one write, so that lines of jobs side by side stay whole.
  await output.write(Buffer.concat([Buffer.from(lead), text, Buffer.from('\n')]));
}

function colorOf(id: string): number {
  return [...id].reduce((sum, character) => sum + character.charCodeAt(0), 0) % COLORS.length;
}
