import type { MainEnd } from '../runtime.ts';

const EMPTY = Buffer.alloc(0);
/** After this much more output it was not the init's: it writes its report as it ends. */
const MAX_HELD_BYTES = 64 * 1024;
/** What the report begins with. */
export const INIT_REPORT_PREFIX = Buffer.from("[INFO  tini (1)] Spawned child process '");
const REPORT =
  /^\[INFO {2}tini \(1\)\] Spawned child process '[^'\n]*' with pid '\d+'\n\[INFO {2}tini \(1\)\] Main child exited (normally|with signal) \([^\n]*\)\n/;

/** What lets Docker's init (tini) say how the main program ended; it goes to the container's standard output. */
export const INIT_ENVIRONMENT = 'TINI_VERBOSITY=2';

/**
 * Takes the report of Docker's init off the end of a job's standard output. It writes all of it when it ends, so only the
 * last one can be its own; what a job prints that looks like it is kept.
 */
export class InitReport {
  #held: Buffer = EMPTY;

  /** @returns the bytes that are surely the job's */
  push(chunk: Buffer): Buffer {
    const data = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const from = holdFrom(data);
    this.#held = data.subarray(from);
    return data.subarray(0, from);
  }

  /** More follows for certain, or bytes are missing: what was held back is the job's. */
  flush(): Buffer {
    const bytes = this.#held;
    this.#held = EMPTY;
    return bytes;
  }

  /** The stream has ended. */
  end(): { readonly bytes: Buffer; readonly end: MainEnd | undefined } {
    const bytes = this.flush();
    const match = REPORT.exec(bytes.toString('latin1'));
    if (match === null) return { bytes, end: undefined };
    const end = match[1] === 'normally' ? 'exited' : 'signalled';
    return { bytes: bytes.subarray(match[0].length), end };
  }
}

/** From where on the data may be the report. */
function holdFrom(data: Buffer): number {
  const last = data.lastIndexOf(INIT_REPORT_PREFIX);
  if (last >= 0 && data.length - last <= MAX_HELD_BYTES) return last;
  // The chunk may end in the middle of its beginning.
  const open = data.lastIndexOf(INIT_REPORT_PREFIX[0] ?? 0);
  if (open < 0 || data.length - open >= INIT_REPORT_PREFIX.length) return data.length;
  return data.subarray(open).equals(INIT_REPORT_PREFIX.subarray(0, data.length - open)) ? open : data.length;
}
