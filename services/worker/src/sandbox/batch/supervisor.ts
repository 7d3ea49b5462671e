import { SUPERVISOR_NAME, TOOLKIT_PATH } from '@cronium/contracts';
import { type EntryPlan, RUN_PATH } from '../entry-program.ts';

/** A container that serves a batch waits for frames on stdin, as PID 1, which its jobs can neither read nor trace. */
export const SUPERVISOR_ENTRYPOINT: readonly string[] = [`${TOOLKIT_PATH}/${SUPERVISOR_NAME}`];
/** Its exit code when something of a turn stayed that it could not remove. */
export const UNCLEAN_EXIT_CODE = 124;
/** More than this is written to it in no turn: such a job runs in a container of its own. */
const MAX_TURN_BYTES = 1024 * 1024;
/** What a job can write to, beside the volumes of its image. */
const ALWAYS_WRITABLE = ['/tmp', '/workspace', RUN_PATH, '/dev/shm', '/dev/mqueue'];
const HEADER_BYTES = 4;

/**
 * The kinds of items of a frame, as images/runtime-api/supervisor.c reads them: a frame is its length and its items, an item
 * is its kind, its length and its bytes; lengths have 32 bits, big endian.
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

type Item = readonly [kind: keyof typeof KIND, value: string | Uint8Array];

/** What is sent to a supervisor first. @param volumes of the image, as absolute paths */
export function hello(nonce: string, volumes: readonly string[]): Buffer {
  const folders = [...new Set([...ALWAYS_WRITABLE, ...volumes])];
  return frame([['nonce', nonce], ...folders.map((path): Item => ['folder', path])]);
}

/**
 * One turn. The supervisor runs it when all of it has arrived.
 * @returns `undefined` when the plan cannot be given so: a script is very long
 * @throws RangeError when an environment value or an argument holds a NUL byte, which no program can be given
 */
export function turnProgram({ nonce, env, phases, main, runner, files }: EntryPlan): Buffer | undefined {
  const all = [...phases, { phase: 'main', argv: main }];
  const program = frame([
    ['nonce', nonce],
    ...files.map(({ name, bytes }): Item => ['file', Buffer.concat([Buffer.from(`${name}\0`), bytes])]),
    ...Object.entries(env).map(([name, value]): Item => ['variable', withoutNul(`${name}=${value}`)]),
    ...all.flatMap(({ phase, argv }): Item[] => [['phase', phase], ...argv.map(asArgument)]),
    ...runner.map((word): Item => ['runnerArgument', withoutNul(word)]),
  ]);
  return program.length > MAX_TURN_BYTES ? undefined : program;
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
