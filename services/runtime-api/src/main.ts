import { serveCommands } from './channel.ts';
import { createLog } from './log.ts';
import { Sidecar } from './sidecar.ts';

const log = createLog({ write: (line) => process.stderr.write(line), level: process.env.CRONIUM_LOG_LEVEL });
const sidecar = new Sidecar({ log });
// The worker that attached may go, and its successor attach, before a port is open: until a signal, this process stays.
const stay = setInterval(() => undefined, 2 ** 30);
// Everything that must last is stored by results before it is answered: there is nothing to finish.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(0));
serveCommands({
  input: process.stdin,
  output: process.stdout,
  carryOut: (command) => sidecar.carryOut(command),
})
  .then(() => log({ level: 'info', msg: 'stdin has ended; this sidecar goes on', stays: stay.hasRef() }))
  .catch((error: unknown) => log({ level: 'error', msg: 'stdin failed', error: String(error) }));
