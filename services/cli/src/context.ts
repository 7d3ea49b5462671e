import type { CroniumClient } from '@cronium/client';
import type { Terminal } from './terminal.ts';

/** What every command works with. */
export interface Context {
  readonly terminal: Terminal;
  /** The fleet; asked for when it is first needed, so that `--help` works without one. */
  client(): CroniumClient;
  /** Print JSON for programs instead of text for people. */
  readonly json: boolean;
  /** Aborts when the person wants the command to end. */
  readonly signal: AbortSignal;
  /** Takes the first Ctrl-C, or SIGTERM, over until the returned function is called; the second aborts `signal`. */
  onInterrupt(handler: () => void): () => void;
  readonly now: () => number;
}

/** Prints a value as JSON, or lines of text. */
export async function print(context: Context, value: unknown, lines: () => readonly string[]): Promise<void> {
  const text = context.json
    ? JSON.stringify(value, null, context.terminal.out.isTerminal ? 2 : 0)
    : lines().join('\n');
  if (text !== '') await context.terminal.out.write(`${text}\n`);
}

/** Tells a person something that is no result; programs that read JSON are spared. */
export async function note(context: Context, text: string): Promise<void> {
  if (!context.json) await context.terminal.err.write(`${text}\n`);
}
