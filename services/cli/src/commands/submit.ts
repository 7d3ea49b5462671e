import type { JobInput } from '@cronium/contracts';
import { type Context, note, print } from '../context.ts';
import { EXIT } from '../failure.ts';
import { openInput, readJson } from '../input.ts';
import { exitCodeOf } from './follow.ts';
import { followToEnd } from './follow-to-end.ts';
import type { Register } from './register.ts';

interface SubmitOptions {
  readonly idempotencyKey?: string;
  readonly traceparent?: string;
  readonly wait?: boolean;
}

/** `cronium submit`: a job from a file. */
export const addSubmit: Register = (program, run) => {
  program
    .command('submit')
    .description('Submits a job that is written as JSON and prints its id.')
    .argument('<file>', 'the job; "-" reads it from stdin')
    .option('--idempotency-key <key>', 'submitted again with the same key, it stays one job')
    .option('--traceparent <value>', 'W3C trace context that the job’s trace continues')
    .option('-w, --wait', 'follow it; the exit code is the job’s')
    .action(run(submit));
};

async function submit(context: Context, file: string, options: SubmitOptions): Promise<number> {
  const job = await readJson(await openInput(file, context.terminal));
  const { idempotencyKey, traceparent } = options;
  // The producer says what is wrong with it: one set of messages for every way to submit.
  const accepted = await context.client().submit(job as JobInput, {
    signal: context.signal,
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    ...(traceparent !== undefined && { traceparent }),
  });
  if (options.wait === true) {
    await note(context, accepted.id);
    const ended = await followToEnd(context, accepted.id);
    if (context.json) await print(context, ended, () => []);
    return exitCodeOf(ended);
  }
  await print(context, accepted, () => [accepted.id]);
  if (context.terminal.out.isTerminal) await note(context, `Follow it: cronium logs -f ${accepted.id}`);
  return EXIT.ok;
}
