import { type Command, InvalidArgumentError } from 'commander';
import type { Context } from '../context.ts';

/** What a command does; its number is the exit code, nothing means 0. */
export type Action<A extends unknown[]> = (context: Context, ...args: A) => Promise<number | undefined>;

/** Makes commander call an action. */
export type Run = <A extends unknown[]>(action: Action<A>) => (...args: A) => Promise<void>;

/** Adds one or more commands to the program. */
export type Register = (program: Command, run: Run) => void;

/** Reads an option's number. */
export function numberOption(options: {
  readonly min: number;
  readonly whole?: boolean;
}): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || value < options.min) {
      throw new InvalidArgumentError(`It must be a number of at least ${options.min}.`);
    }
    if (options.whole === true && !Number.isInteger(value))
      throw new InvalidArgumentError('It must be a whole number.');
    return value;
  };
}

/** Collects `name=value` options into a record. */
export function pairOption(text: string, before: Record<string, string> | undefined): Record<string, string> {
  const equals = text.indexOf('=');
  if (equals < 1) throw new InvalidArgumentError('It must be name=value.');
  return { ...before, [text.slice(0, equals)]: text.slice(equals + 1) };
}

/** One label to look for, `name=value` or `name:value`, as it is. */
export function labelOption(text: string): string {
  if (!/^[^:=]+[:=]/.test(text)) throw new InvalidArgumentError('It must be name=value.');
  return text;
}
