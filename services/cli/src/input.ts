import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { CommandError, EXIT } from './failure.ts';
import type { Terminal } from './terminal.ts';

/** A file to read, or standard input. */
export interface Input {
  readonly name: string;
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Unknown for standard input. */
  readonly size: number | undefined;
}

/** Opens a file by name; `-` is standard input. @throws CommandError when it is not there or is no file */
export async function openInput(name: string, terminal: Terminal): Promise<Input> {
  if (name === '-') return { name: 'standard input', bytes: terminal.stdin, size: undefined };
  const facts = await stat(name).catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(
      `${name} cannot be read: ${error.code === 'ENOENT' ? 'there is no such file' : error.message}`,
      {
        cause: error,
        exitCode: EXIT.usage,
      },
    );
  });
  if (facts.isDirectory())
    throw new CommandError(`${name} is a folder, not a file.`, { exitCode: EXIT.usage });
  return { name, bytes: createReadStream(name), size: facts.isFile() ? facts.size : undefined };
}

/** Reads all of an input as text. */
export async function readText(input: Input): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of input.bytes) pieces.push(piece);
  return Buffer.concat(pieces).toString('utf8');
}

/** Reads one JSON document. @throws CommandError that says where it is wrong */
export async function readJson(input: Input): Promise<unknown> {
  const text = await readText(input);
  if (text.trim() === '')
    throw new CommandError(`${input.name} is empty; a job is a JSON object.`, { exitCode: EXIT.usage });
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const advice = isNdjson(text)
      ? `\nIt has one document a line; send it as a batch: cronium batch ${input.name}`
      : '';
    throw new CommandError(`${input.name} is not JSON: ${why}${advice}`, {
      cause: error,
      exitCode: EXIT.usage,
    });
  }
}

function isNdjson(text: string): boolean {
  const lines = text.split('\n', 3).filter((line) => line.trim() !== '');
  return lines.length > 1 && lines.slice(0, 2).every((line) => isJson(line));
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
