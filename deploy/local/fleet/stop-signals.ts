/** The part of a process that tells of signals and can end. */
interface SignalSource {
  on(event: 'SIGINT' | 'SIGTERM' | 'SIGHUP', listener: () => void): unknown;
  exit(code: number): never;
}

/** npm and the terminal may each pass on the same Ctrl-C. */
const SAME_PRESS_MS = 300;

/** The first signal asks for an orderly end, the second one forces it. */
export class StopSignals {
  readonly #controller = new AbortController();
  readonly #requested = Promise.withResolvers<void>();
  #force: () => void = () => undefined;
  #firstAt: number | undefined;

  constructor(source: SignalSource, report: (line: string) => void) {
    const onSignal = () => {
      const now = performance.now();
      if (this.#firstAt !== undefined && now - this.#firstAt < SAME_PRESS_MS) return;
      if (this.#firstAt !== undefined) {
        report('Ending everything at once.');
        this.#force();
        source.exit(1);
      }
      this.#firstAt = now;
      this.#controller.abort(new DOMException('stopped while it started', 'AbortError'));
      this.#requested.resolve();
    };
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) source.on(name, onSignal);
  }

  /** Aborts at the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Resolves at the first signal. */
  get requested(): Promise<void> {
    return this.#requested.promise;
  }

  /** What to do at the second, before the process exits. */
  onForce(force: () => void): void {
    this.#force = force;
  }
}
