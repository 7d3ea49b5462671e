import { hidePasswords } from '@cronium/contracts';
import type { z } from 'zod';
import { ConfigError, type ConfigProblem } from './errors.ts';
import { nearest } from './nearest.ts';
import { renderHelp, renderMarkdown } from './render.ts';

/** The variables of a process, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A default that depends on the machine: `text` goes to the documentation, `value` is asked at the start. */
export interface ComputedDefault {
  readonly text: string;
  value(): string;
}

/** One variable: how its text is read and what it means. */
export interface Field<T> {
  readonly schema: z.ZodType<T, string>;
  /** What the variable does, in a sentence or two; shown by `--help` and in the docs. */
  readonly doc: string;
  /** The text that is taken when the variable is absent or empty; parsed by the schema like any other. */
  readonly default?: string | ComputedDefault;
  /** A good value, shown when the variable is missing or wrong. */
  readonly example?: string;
  /** Its value is never printed. */
  readonly secret: boolean;
  /** It may be absent without a default; its value is then `undefined`. */
  readonly optional: boolean;
}

/** What may be said about a variable beside its schema. */
export interface FieldOptions {
  readonly doc: string;
  readonly default?: string | ComputedDefault;
  readonly example?: string;
  readonly secret?: boolean;
}

/** The variables of one service, by name. */
export type Fields = Readonly<Record<string, Field<unknown>>>;

/** The parsed values of some fields, under the variables' own names. */
export type Values<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never };

/** All that one service reads from its environment. */
export interface ConfigDefinition<F extends Fields> {
  readonly fields: F;
  /**
   * Reads the environment once. An empty variable counts as absent.
   * @returns a frozen object
   * @throws ConfigError with every problem at once
   */
  parse(env: Environment): Values<F>;
  /**
   * Names the `CRONIUM_*` variables that nobody reads. Never an error: several services may share one environment.
   * @param alsoKnown names that other services read
   */
  warnings(env: Environment, alsoKnown?: Iterable<string>): string[];
  /** Every variable with its default and meaning, as text for a terminal. */
  help(): string;
  /** The same as a Markdown table. */
  markdown(): string;
}

/** What a definition parses to: `ConfigOf<typeof workerConfig>`. */
export type ConfigOf<D> = D extends ConfigDefinition<infer F> ? Values<F> : never;

/** A variable that must be set unless it has a default. */
export function field<T>(schema: z.ZodType<T, string>, options: FieldOptions): Field<T> {
  return Object.freeze({ secret: false, ...options, schema, optional: false });
}

/** A variable that may be absent; its value is then `undefined`. */
export function optionalField<T>(
  schema: z.ZodType<T, string>,
  options: Omit<FieldOptions, 'default'>,
): Field<T | undefined> {
  return Object.freeze({ secret: false, ...options, schema, optional: true });
}

/**
 * Puts the variables of one service together. Groups of variables that services share are spread into the argument.
 * @param check finds what is wrong with values that are right one by one
 */
export function defineConfig<const F extends Fields>(
  fields: F,
  check: (values: Values<F>) => readonly ConfigProblem[] = () => [],
): ConfigDefinition<F> {
  return Object.freeze({
    fields,
    parse: (env: Environment) => {
      const values = parseFields(fields, env);
      const problems = check(values);
      if (problems.length > 0) throw new ConfigError([...problems]);
      return values;
    },
    warnings: (env: Environment, alsoKnown: Iterable<string> = []) =>
      unknownVariables(env, [...Object.keys(fields), ...alsoKnown]),
    help: () => renderHelp(fields),
    markdown: () => renderMarkdown(fields),
  });
}

function parseFields<F extends Fields>(fields: F, env: Environment): Values<F> {
  const values: Record<string, unknown> = {};
  const problems: ConfigProblem[] = [];
  for (const [name, one] of Object.entries(fields)) {
    const text = textOf(one, env[name]);
    if (text === undefined) {
      if (!one.optional) problems.push(missing(name, one));
      values[name] = undefined;
      continue;
    }
    const result = one.schema.safeParse(text);
    if (result.success) values[name] = result.data;
    else problems.push(wrong(name, one, text, result.error));
  }
  if (problems.length > 0) throw new ConfigError(problems);
  // Each entry was made by its own field's schema, which is what Values<F> says.
  return Object.freeze(values) as Values<F>;
}

function textOf(one: Field<unknown>, given: string | undefined): string | undefined {
  if (given !== undefined && given.trim() !== '') return given.trim();
  return typeof one.default === 'object' ? one.default.value() : one.default;
}

function missing(name: string, one: Field<unknown>): ConfigProblem {
  return { variable: name, message: `${name} is not set. ${one.doc}${advice(one)}` };
}

function wrong(name: string, one: Field<unknown>, text: string, error: z.ZodError): ConfigProblem {
  const shown = one.secret ? 'its value (hidden)' : JSON.stringify(hidePasswords(text));
  const why = [...new Set(error.issues.map((issue) => issue.message))].join('; ');
  return { variable: name, message: `${name}: ${shown} is not right: ${why}.${advice(one)}` };
}

function advice(one: Field<unknown>): string {
  const example = one.example ?? (typeof one.default === 'string' ? one.default : undefined);
  return example === undefined || example === '' ? '' : ` Write for example: ${example}`;
}

function unknownVariables(env: Environment, known: readonly string[]): string[] {
  const names = new Set(known);
  return Object.keys(env)
    .filter((name) => name.startsWith('CRONIUM_') && !names.has(name))
    .map((name) => {
      const near = nearest(name, names);
      return `${name} is set, but nothing reads it.${near === undefined ? '' : ` Did you mean ${near}?`}`;
    });
}
