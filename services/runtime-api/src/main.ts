import { serveCommands } from './channel.ts';
import { Sidecar } from './sidecar.ts';

const log = (entry: Readonly<Record<string, unknown>>): void =>
  void process.stderr.write(
    `${JSON.stringify({ time: new Date().toISOString(), service: 'runtime-api', ...entry })}\n`,
  );

const sidecar = new Sidecar({ log });
serveCommands({
  input: process.stdin,
  output: process.stdout,
  carryOut: (command) => sidecar.carryOut(command),
});
// Everything that must last is stored by results before it is answered: there is nothing to finish.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(0));
