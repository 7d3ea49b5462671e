import type { ConfigDefinition, Environment, Fields, Values } from './define.ts';
import { ConfigError } from './errors.ts';
import { allVariables } from './services/all.ts';

/** Exit codes of sysexits.h: wrong usage, wrong configuration. */
export const EXIT_USAGE = 64;
export const EXIT_CONFIG = 78;

/** What {@link runMain} needs to know of a program. */
export interface Program<F extends Fields> {
  /** The program's name, for the usage line. */
  readonly name: string;
  /** What it is, in one sentence. */
  readonly summary: string;
  readonly config: ConfigDefinition<F>;
  /** Starts the service with its configuration; called only when that is right. */
  main(config: Values<F>): Promise<void>;
  /** Defaults to the process's own. */
  readonly args?: readonly string[];
  readonly env?: Environment;
}

/** What a program's start came to before its main function. */
export type Preparation<F extends Fields> =
  | { readonly kind: 'run'; readonly config: Values<F>; readonly warnings: readonly string[] }
  | { readonly kind: 'stop'; readonly exitCode: number; readonly output: string };

/**
 * The first lines of every `main.ts`: answers `--help`, stops with exit code 78 and a list when the configuration is
 * wrong, else runs the service. An error that `main` throws is not caught here.
 */
export async function runMain<F extends Fields>(program: Program<F>): Promise<void> {
  const prepared = prepare(program);
  if (prepared.kind === 'stop') {
    (prepared.exitCode === 0 ? process.stdout : process.stderr).write(`${prepared.output}\n`);
    process.exitCode = prepared.exitCode;
    return;
  }
  for (const warning of prepared.warnings) process.stderr.write(`${program.name}: warning: ${warning}\n`);
  await program.main(prepared.config);
}

/** Decides what to do from the arguments and the environment; prints and starts nothing. */
export function prepare<F extends Fields>(program: Program<F>): Preparation<F> {
  const { args = process.argv.slice(2), env = process.env } = program;
  if (args.some((arg) => arg === '--help' || arg === '-h'))
    return { kind: 'stop', exitCode: 0, output: usage(program) };
  if (args.length > 0) {
    const output = `${program.name} takes no argument ${JSON.stringify(args[0])}; it is configured by environment variables. See ${program.name} --help.`;
    return { kind: 'stop', exitCode: EXIT_USAGE, output };
  }
  try {
    const config = program.config.parse(env);
    return { kind: 'run', config, warnings: program.config.warnings(env, allVariables()) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const output = `${program.name}: ${error.message}\nSee ${program.name} --help for every variable.`;
    return { kind: 'stop', exitCode: EXIT_CONFIG, output };
  }
}

/** What `--help` prints. */
export function usage<F extends Fields>(program: Pick<Program<F>, 'name' | 'summary' | 'config'>): string {
  return [
    `${program.name}: ${program.summary}`,
    '',
    `Usage: ${program.name} [--help]`,
    '',
    'Environment variables (an empty one counts as absent):',
    '',
    program.config.help(),
  ].join('\n');
}
