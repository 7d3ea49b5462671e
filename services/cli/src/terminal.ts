import { once } from 'node:events';
import type { WriteStream } from 'node:tty';
import { noPaint, type Paint, paintAlways } from './render/index.ts';

/** One output of the process, or of a test. */
export interface Output {
  /** Writes, and waits when the reader is slower. */
  write(data: string | Uint8Array): Promise<void>;
  readonly isTerminal: boolean;
  readonly paint: Paint;
}

/** Where a command reads and writes. */
export interface Terminal {
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly out: Output;
  readonly err: Output;
  /** Columns; for what is not a terminal, wide enough that nothing is cut. */
  readonly width: number;
  /** Lines. It may change at any time. */
  readonly height: number;
}

const UNLIMITED = 10_000;
const BARS = 120;
const LINES = 40;

/** The terminal of this process. `NO_COLOR` (https://no-color.org) turns colours off, `FORCE_COLOR` on. */
export function processTerminal(env: Readonly<Record<string, string | undefined>>): Terminal {
  const { stdin, stdout, stderr } = process;
  for (const stream of [stdout, stderr]) stream.on('error', endOnBrokenPipe);
  return {
    stdin,
    out: outputTo(stdout, env),
    err: outputTo(stderr, env),
    get width() {
      return stdout.isTTY ? stdout.columns || BARS : UNLIMITED;
    },
    get height() {
      return stdout.isTTY ? stdout.rows || LINES : UNLIMITED;
    },
  };
}

/** The reader has what it wanted (`cronium jobs | head`): nothing is left to do. */
function endOnBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.exit(process.exitCode ?? 0);
}

function outputTo(stream: WriteStream, env: Readonly<Record<string, string | undefined>>): Output {
  return {
    isTerminal: stream.isTTY === true,
    paint: wantsColor(stream, env) ? paintAlways : noPaint,
    async write(data) {
      if (!stream.write(data)) await once(stream, 'drain');
    },
  };
}

function wantsColor(stream: WriteStream, env: Readonly<Record<string, string | undefined>>): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR !== undefined) return env.FORCE_COLOR !== '0';
  return stream.isTTY === true && env.TERM !== 'dumb';
}

/** Columns for drawings such as bars, which should not fill an endless line. */
export function drawingWidth(terminal: Terminal): number {
  return Math.min(terminal.width, terminal.out.isTerminal ? 160 : BARS);
}
