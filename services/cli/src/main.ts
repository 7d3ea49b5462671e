import { CommanderError } from 'commander';
import type { Run } from './commands/register.ts';
import { type Connection, connect } from './connect.ts';
import type { Context } from './context.ts';
import { CommandError, EXIT, explain } from './failure.ts';
import { Interrupts } from './interrupts.ts';
import { buildProgram } from './program.ts';
import { processTerminal } from './terminal.ts';

const terminal = processTerminal(process.env);
const interrupts = new Interrupts(process, () => process.exit(EXIT.cancelled));
let connection: Connection | undefined;

const context: Context = {
  terminal,
  get json() {
    return program.opts<{ json?: boolean }>().json === true;
  },
  client() {
    connection ??= connect(process.env, process.cwd());
    return connection.client;
  },
  signal: interrupts.signal,
  onInterrupt: (handler) => interrupts.take(handler),
  now: Date.now,
};

const run: Run =
  (action) =>
  async (...args) => {
    process.exitCode = (await action(context, ...args)) ?? EXIT.ok;
  };

const program = buildProgram(run);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = await report(error);
}

async function report(error: unknown): Promise<number> {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (interrupts.signal.aborted && error === interrupts.signal.reason) return EXIT.cancelled;
  const text = explain(error, connection?.file);
  if (text === undefined) throw error;
  await terminal.err.write(`${terminal.err.paint('red', 'cronium:')} ${text}\n`);
  return error instanceof CommandError ? error.exitCode : EXIT.failed;
}
