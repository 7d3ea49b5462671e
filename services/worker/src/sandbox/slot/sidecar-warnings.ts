import { z } from 'zod';

/** A line of a sidecar's log that an operator should see. */
const warning = z.object({
  level: z.enum(['warn', 'error', 'fatal']),
  msg: z.string(),
  attempt: z.string().optional(),
  sharedService: z.string().optional(),
  result: z.string().optional(),
  reason: z.string().optional(),
  error: z.string().optional(),
});
export type SidecarWarning = z.infer<typeof warning>;

const LONGEST_LINE = 16 * 1024;
/** A job can make its sidecar warn as often as it likes: so many are told in a minute, and then how many more there were. */
const MOST = 20;
const PERIOD_MS = 60_000;

/** Finds the warnings in a sidecar's own log, which comes in pieces. */
export class SidecarWarnings {
  readonly #onWarning: (found: SidecarWarning) => void;
  #rest = '';
  #count = 0;
  #period: NodeJS.Timeout | undefined;

  constructor(onWarning: (found: SidecarWarning) => void) {
    this.#onWarning = onWarning;
  }

  push(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = (lines.pop() ?? '').slice(-LONGEST_LINE);
    for (const line of lines) {
      const found = warning.safeParse(parsed(line));
      if (found.success) this.#tell(found.data);
    }
  }

  /** Nothing comes any more. */
  end(): void {
    clearTimeout(this.#period);
    this.#period = undefined;
    const more = this.#count - MOST;
    this.#count = 0;
    if (more > 0) this.#onWarning({ level: 'warn', msg: `${more} more warnings within a minute` });
  }

  #tell(found: SidecarWarning): void {
    this.#period ??= setTimeout(() => this.end(), PERIOD_MS).unref();
    this.#count += 1;
    if (this.#count <= MOST) this.#onWarning(found);
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    // Not a line of its log: Node.js itself has said something, which a failure shows.
    return undefined;
  }
}
