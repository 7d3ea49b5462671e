import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';

const EXIT_USAGE = 2;

interface Script<T extends ParseArgsOptionsConfig> {
  /** As people call it: `npm run chaos`. */
  readonly name: string;
  /** What `--help` prints. */
  readonly usage: string;
  readonly options: T;
  /** Gets the options as they were given, or their defaults. May throw a RangeError that says which one is wrong. */
  run(values: ReturnType<typeof parseArgs<{ options: T }>>['values']): Promise<number> | number;
}

/** Runs a script with its options; its exit code is what `run` returns, or 2 when an option is wrong. */
export async function runScript<T extends ParseArgsOptionsConfig>(script: Script<T>): Promise<void> {
  const args = process.argv.slice(2);
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(`${script.usage}\n`);
    return;
  }
  try {
    const { values } = parseArgs({ args, options: script.options });
    process.exitCode = await script.run(values);
  } catch (error) {
    if (!(error instanceof Error) || !isWrongOption(error)) throw error;
    process.stderr.write(`${error.message}\nWhat can be set: ${script.name} -- --help\n`);
    process.exitCode = EXIT_USAGE;
  }
}

/** Did somebody call a script with an option that it does not have, or cannot take so? */
export function isWrongOption(error: Error): boolean {
  return error instanceof RangeError || ('code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'));
}

/**
 * The number that an option gives.
 * @throws RangeError when it is none, or less than `least`
 */
export function numberOf(option: string, value: string, least = 0): number {
  const number = value.trim() === '' ? Number.NaN : Number(value);
  if (Number.isFinite(number) && number >= least) return number;
  throw new RangeError(`--${option} must be a number from ${least} on, not "${value}"`);
}
