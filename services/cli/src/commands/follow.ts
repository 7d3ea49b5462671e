import { type AttemptLogLine, type LogOptions, logLineBytes } from '@cronium/client';
import type { JobView } from '@cronium/contracts';
import type { Context } from '../context.ts';
import { EXIT } from '../failure.ts';
import { plain, plainLog } from '../render/index.ts';
import type { Output, Terminal } from '../terminal.ts';

/** Writes a job's log lines to the outputs that they came from, byte for byte unless that is a terminal. */
export async function writeLog(context: Context, id: string, options: LogOptions): Promise<void> {
  let attempt: number | undefined;
  const onAway = ({ message }: Error) => void notice(context, `${message}; trying again`);
  for await (const line of context.client().logs(id, { ...options, ...(options.follow && { onAway }) })) {
    if (attempt !== undefined && attempt !== line.attempt) await notice(context, `attempt ${line.attempt}`);
    attempt = line.attempt;
    await writeLine(context, line);
  }
}

async function writeLine(context: Context, line: AttemptLogLine): Promise<void> {
  const { terminal } = context;
  if (context.json) return terminal.out.write(`${JSON.stringify(line)}\n`);
  if (line.stream === 'fleet') return notice(context, line.text);
  await writeOutput(line.stream === 'stderr' ? terminal.err : terminal.out, line);
}

async function writeOutput(output: Output, line: AttemptLogLine): Promise<void> {
  if (!output.isTerminal) return output.write(logLineBytes(line));
  await output.write(`${plainLog(line.text)}${line.partial === true ? '' : '\n'}`);
}

/** A line of the command line itself between a job's own. */
export async function notice({ terminal }: { readonly terminal: Terminal }, text: string): Promise<void> {
  await terminal.err.write(`${terminal.err.paint('dim', `[cronium] ${plain(text)}`)}\n`);
}

/** The exit code of a process that ran the job here: the job's own, or one that tells why there is none. */
export function exitCodeOf(job: Pick<JobView, 'state' | 'exitCode' | 'cause'>): number {
  if (job.state === 'succeeded') return job.exitCode ?? EXIT.ok;
  if (job.state === 'timed_out') return EXIT.timedOut;
  if (job.state === 'cancelled') return EXIT.cancelled;
  if (job.state !== 'failed') return EXIT.infrastructure;
  if (job.exitCode !== null) return job.exitCode === 0 ? EXIT.failed : job.exitCode;
  return isInfrastructure(job.cause) ? EXIT.infrastructure : EXIT.failed;
}

const INFRASTRUCTURE: readonly string[] = [
  'daemon',
  'node_lost',
  'fenced',
  'sidecar',
  'image',
  'disk',
  'killed',
];

function isInfrastructure(cause: string | null): boolean {
  return cause === null || INFRASTRUCTURE.includes(cause);
}

/** One sentence on how a job ended unusually; undefined when it did not. */
export function endSentence(job: JobView): string | undefined {
  if (job.state === 'succeeded') return undefined;
  const last = job.attemptList.at(-1);
  const code = job.exitCode === null ? '' : ` with exit code ${job.exitCode}`;
  const message = last?.message ?? (job.cause === null ? '' : `cause: ${job.cause}`);
  return `${job.id} ${job.state}${code}${message === '' ? '' : `. ${message.charAt(0).toUpperCase()}${message.slice(1)}`}`;
}

/** Tells a person how a job ended, unless it succeeded or its own exit code says it all. */
export async function tellEnd(context: Context, job: JobView): Promise<void> {
  const sentence = endSentence(job);
  const isPlainExit = job.state === 'failed' && job.exitCode !== null && job.cause === 'exit';
  if (sentence !== undefined && !context.json && !isPlainExit) await notice(context, sentence);
}
