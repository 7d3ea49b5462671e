/** The part of a process that tells of signals. */
interface SignalSource {
  on(event: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
}

/** Turns Ctrl-C into an abort, unless a command has taken it over. */
export class Interrupts {
  readonly #controller = new AbortController();
  #handler: (() => void) | undefined;

  constructor(source: SignalSource) {
    source.on('SIGINT', () => (this.#handler ?? this.#abort)());
    source.on('SIGTERM', this.#abort);
  }

  /** Aborts when the person wants the command to end. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Lets a handler have every Ctrl-C until the returned function is called. */
  take(handler: () => void): () => void {
    this.#handler = handler;
    return () => {
      this.#handler = undefined;
    };
  }

  readonly #abort = () => this.#controller.abort(new Error('interrupted'));
}
