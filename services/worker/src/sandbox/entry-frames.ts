import type { EntryPlan } from './entry-program.ts';

/**
 * The kinds of items of a frame, as images/runtime-api/entry reads them: a frame is its length and its items, an item is its
 * kind, its length and its bytes; lengths have 32 bits, big endian. What arrived in part is not run, and nothing is quoted.
 */
const KIND = {
  nonce: 'n',
  folder: 'd',
  file: 'f',
  variable: 'e',
  phase: 'p',
  argument: 'a',
  runnerArgument: 'r',
} as const;

const HEADER_BYTES = 4;

type Item = readonly [kind: keyof typeof KIND, value: string | Uint8Array];

/** Has no items. */
export const EMPTY_FRAME: Buffer = frame([]);

/**
 * All of what a container shall do for a job.
 * @param nonces begin the markers; those of a turn's end are begun by the last one
 * @throws RangeError for a NUL byte where no program can be given one
 */
export function planFrame(
  { env, phases, main, runner, files }: EntryPlan,
  nonces: readonly string[],
): Buffer {
  const all = [...phases, { phase: 'main', argv: main }];
  return frame([
    ...nonces.map((nonce): Item => ['nonce', nonce]),
    ...files.map(({ name, bytes }): Item => ['file', Buffer.concat([Buffer.from(`${name}\0`), bytes])]),
    ...Object.entries(env).map(([name, value]): Item => ['variable', withoutNul(`${name}=${value}`)]),
    ...all.flatMap(({ phase, argv }): Item[] => [['phase', phase], ...argv.map(asArgument)]),
    ...runner.map((word): Item => ['runnerArgument', withoutNul(word)]),
  ]);
}

/** What a container that serves a batch is sent first. @param folders are emptied after each job */
export function helloFrame(nonce: string, folders: readonly string[]): Buffer {
  return frame([['nonce', nonce], ...folders.map((path): Item => ['folder', path])]);
}

function asArgument(word: string): Item {
  return ['argument', withoutNul(word)];
}

function withoutNul(word: string): string {
  if (word.includes('\0')) throw new RangeError('a program cannot be given a NUL byte');
  return word;
}

function frame(items: readonly Item[]): Buffer {
  const parts = items.flatMap(([kind, value]) => {
    const bytes = Buffer.from(value);
    return [Buffer.from(KIND[kind]), lengthOf(bytes), bytes];
  });
  const body = Buffer.concat(parts);
  return Buffer.concat([lengthOf(body), body]);
}

function lengthOf(bytes: Uint8Array): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(bytes.length);
  return header;
}
