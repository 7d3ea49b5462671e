/** The part of a process that tells of signals. */
interface SignalSource {
  on(event: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
}

/** What comes so soon is the same signal once more: `timeout`, npx and our own launcher each pass it on. */
const SAME_SIGNAL_MS = 500;
/** For a last word; what holds the process longer is let go. */
const LAST_WORD_MS = 200;

/**
 * Turns Ctrl-C, or SIGTERM, into an abort, unless a command has taken the first one over. The second one always aborts,
 * and ends the process although something should still wait.
 */
export class Interrupts {
  readonly #controller = new AbortController();
  readonly #end: () => void;
  #handler: (() => void) | undefined;
  #firstAt: number | undefined;

  constructor(source: SignalSource, end: () => void) {
    this.#end = end;
    for (const name of ['SIGINT', 'SIGTERM'] as const) source.on(name, this.#interrupted);
  }

  /** Aborts when the person wants the command to end. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Lets a handler have the first signal, until the returned function is called. */
  take(handler: () => void): () => void {
    this.#handler = handler;
    return () => {
      this.#handler = undefined;
    };
  }

  readonly #interrupted = () => {
    const now = performance.now();
    if (this.#firstAt === undefined) {
      this.#firstAt = now;
      (this.#handler ?? this.#abort)();
    } else if (now - this.#firstAt >= SAME_SIGNAL_MS) {
      this.#abort();
      setTimeout(this.#end, LAST_WORD_MS).unref();
    }
  };

  readonly #abort = () => this.#controller.abort(new Error('interrupted'));
}
