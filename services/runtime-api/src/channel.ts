import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { type SidecarCommand, type SidecarReply, sidecarCommand } from '@cronium/contracts';
import { z } from 'zod';

/**
 * The worker's line to this sidecar: commands come as JSON lines on stdin and are carried out one after the other, each is
 * answered by one JSON line on stdout. The end of stdin is not the end of the sidecar: another worker process may attach.
 */
export function serveCommands(options: {
  readonly input: Readable;
  readonly output: Writable;
  carryOut(command: SidecarCommand): Promise<SidecarReply>;
}): void {
  const reply = (message: SidecarReply) => void options.output.write(`${JSON.stringify(message)}\n`);
  let previous: Promise<void> = Promise.resolve();
  createInterface({ input: options.input }).on('line', (line) => {
    previous = previous.then(async () => reply(await answer(line, options.carryOut)));
  });
}

async function answer(
  line: string,
  carryOut: (command: SidecarCommand) => Promise<SidecarReply>,
): Promise<SidecarReply> {
  try {
    return await carryOut(sidecarCommand.parse(JSON.parse(line)));
  } catch (error) {
    return { type: 'error', message: explain(error) };
  }
}

/** The line itself may hold a secret and is never repeated. */
function explain(error: unknown): string {
  if (error instanceof z.ZodError) return `the command is not understood: ${z.prettifyError(error)}`;
  if (error instanceof SyntaxError) return 'the command is not JSON';
  return error instanceof Error ? error.message : String(error);
}
