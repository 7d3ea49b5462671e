import type { Readable, Writable } from 'node:stream';
import { type SidecarCommand, type SidecarReply, sidecarCommand } from '@cronium/contracts';
import { z } from 'zod';

/** A job's input is the longest part of a command. */
const LONGEST_COMMAND_BYTES = 64 * 1024 * 1024;
const LINE_FEED = 0x0a;

/**
 * The worker's line to this sidecar: commands come as JSON lines on stdin and are carried out one after the other, each is
 * answered by one JSON line on stdout. Empty lines are skipped: a worker that attaches anew sends one first, in case the
 * last one died in the middle of a line. The end of stdin is not the end of the sidecar.
 */
export async function serveCommands(options: {
  readonly input: Readable;
  readonly output: Writable;
  carryOut(command: SidecarCommand): Promise<SidecarReply>;
}): Promise<void> {
  for await (const line of linesOf(options.input)) {
    const reply = await answer(line, options.carryOut);
    options.output.write(`${JSON.stringify(reply)}\n`);
  }
}

/** Non-empty lines; `undefined` stands for one that was too long. */
async function* linesOf(input: Readable): AsyncGenerator<string | undefined> {
  let parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of input as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, from)) {
      parts.push(chunk.subarray(from, end));
      length += end - from;
      if (length > LONGEST_COMMAND_BYTES) yield undefined;
      else if (length > 0) yield Buffer.concat(parts).toString();
      parts = [];
      length = 0;
      from = end + 1;
    }
    length += chunk.length - from;
    if (length > LONGEST_COMMAND_BYTES) parts = [];
    else parts.push(chunk.subarray(from));
  }
}

async function answer(
  line: string | undefined,
  carryOut: (command: SidecarCommand) => Promise<SidecarReply>,
): Promise<SidecarReply> {
  if (line === undefined) {
    return { type: 'error', message: `the command is longer than ${LONGEST_COMMAND_BYTES} bytes` };
  }
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
