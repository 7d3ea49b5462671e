import { type JobInput, jobSpec } from '@cronium/contracts';
import { Option } from 'commander';
import { type Context, print } from '../context.ts';
import { CommandError, EXIT, explain } from '../failure.ts';
import { openInput, readText } from '../input.ts';
import { exitCodeOf } from './follow.ts';
import { followToEnd } from './follow-to-end.ts';
import { numberOption, pairOption, type Register } from './register.ts';

interface RunOptions {
  readonly language?: 'bash' | 'python' | 'node';
  readonly image?: string;
  readonly file?: string;
  readonly name?: string;
  readonly env?: Record<string, string>;
  readonly label?: Record<string, string>;
  readonly input?: string;
  readonly timeout?: number;
  readonly memory?: number;
  readonly cpus?: number;
  readonly attempts?: number;
  readonly pool?: string;
  readonly priority?: number;
  readonly egress?: 'none' | 'internet';
  readonly detach?: boolean;
}

/** `cronium run`: one script or command, as if it ran here. */
export const addRun: Register = (program, run) => {
  program
    .command('run')
    .summary('Runs a script or a command and follows it. The exit code is its own.')
    .description(
      `Runs a script in the fleet and follows it as if it ran here: its output goes to stdout and stderr, Ctrl-C or SIGTERM cancels it, a second one leaves at once, and its exit code is this command's. ${EXIT.timedOut}: out of time; ${EXIT.cancelled}: cancelled or left; ${EXIT.infrastructure}: the fleet could not run it.`,
    )
    .argument(
      '[source...]',
      'the script ("-" reads it from stdin); with --image alone, the command and its arguments',
    )
    .addOption(new Option('-l, --language <language>', 'of the script').choices(['bash', 'python', 'node']))
    .option('-f, --file <file>', 'read the script from a file')
    .option('--image <image>', 'run in this image')
    .option('--name <name>', 'a name for the job')
    .option('-e, --env <name=value>', 'an environment variable (repeatable)', pairOption)
    .option('--label <name=value>', 'a label (repeatable)', pairOption)
    .option('--input <json>', 'the job’s input')
    .option('--timeout <seconds>', 'of the running phase', numberOption({ min: 0.001 }))
    .option('--memory <MiB>', 'memory limit', numberOption({ min: 8, whole: true }))
    .option('--cpus <number>', 'processor limit', numberOption({ min: 0.01 }))
    .option('--attempts <number>', 'how often to try', numberOption({ min: 1, whole: true }))
    .option('--pool <pool>', 'where to run')
    .option('--priority <number>', 'higher is sooner', numberOption({ min: -1000, whole: true }))
    .addOption(new Option('--egress <mode>', 'may it reach the internet').choices(['none', 'internet']))
    .option('-d, --detach', 'print the job’s id and do not wait')
    .action(run(runJob));
};

async function runJob(context: Context, source: string[], options: RunOptions): Promise<number> {
  const job = await jobOf(context, source, options);
  try {
    const { id } = await context.client().submit(job, { signal: context.signal });
    if (options.detach === true) {
      await print(context, { id }, () => [id]);
      return EXIT.ok;
    }
    const ended = await followToEnd(context, id);
    if (context.json) await print(context, ended, () => []);
    return exitCodeOf(ended);
  } catch (error) {
    if (error instanceof CommandError) throw error;
    const text = explain(error, undefined);
    if (text === undefined) throw error;
    throw new CommandError(text, { cause: error, exitCode: EXIT.infrastructure });
  }
}

async function jobOf(context: Context, source: readonly string[], options: RunOptions): Promise<JobInput> {
  const isCommand =
    options.image !== undefined && options.language === undefined && options.file === undefined;
  const { image, language = 'bash' } = options;
  const common = commonFields(options);
  if (isCommand) {
    const [command, ...args] = source;
    return checked({
      ...common,
      type: 'container',
      image,
      ...(command !== undefined && { command: [command], args }),
    });
  }
  const script = { language, source: await scriptText(context, source, options) };
  return checked({ ...common, type: 'script', script, ...(image !== undefined && { image }) });
}

function commonFields(options: RunOptions): Record<string, unknown> {
  const { memory, cpus, attempts, timeout, input, name, env, label, pool, priority, egress } = options;
  const resources = {
    ...(memory !== undefined && { memoryMiB: memory }),
    ...(cpus !== undefined && { cpus }),
  };
  const fields = {
    name,
    env,
    labels: label,
    pool,
    priority,
    egress,
    timeoutSeconds: timeout,
    input: input === undefined ? undefined : parseInput(input),
    resources: Object.keys(resources).length === 0 ? undefined : resources,
    retry: attempts === undefined ? undefined : { attempts },
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function parseInput(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CommandError(`--input is not JSON: ${text}`, { cause: error, exitCode: EXIT.usage });
  }
}

async function scriptText(
  context: Context,
  source: readonly string[],
  { file }: RunOptions,
): Promise<string> {
  if (file !== undefined) return readText(await openInput(file, context.terminal));
  if (source.length === 1 && source[0] === '-') return readText(await openInput('-', context.terminal));
  if (source.length > 0) return source.join(' ');
  throw new CommandError("What to run is missing. For example: cronium run -l bash 'echo hi'", {
    exitCode: EXIT.usage,
  });
}

/** The producer checks again; here a slip is found before anything is sent. The input goes out as it was written. */
function checked(job: Record<string, unknown>): JobInput {
  const result = jobSpec.safeParse(job);
  if (result.success) return job as JobInput;
  const lines = result.error.issues.map(
    ({ path, message }) => `  - ${path.length === 0 ? '' : `${path.join('.')}: `}${message}`,
  );
  throw new CommandError(`That is not a job:\n${lines.join('\n')}`, { exitCode: EXIT.usage });
}
