/** Something that is looked at now and then: what was seen counts for a while. Whoever comes during a look shares it. */
export class Seen {
  readonly #countsMs: number;
  readonly #look: () => Promise<void>;
  #until = 0;
  #looking: Promise<void> | undefined;

  constructor(countsMs: number, look: () => Promise<void>) {
    this.#countsMs = countsMs;
    this.#look = look;
  }

  /** Looks, unless what was seen still counts. @throws what the look throws */
  async fresh(): Promise<void> {
    if (performance.now() < this.#until) return;
    this.#looking ??= this.#lookNow().finally(() => {
      this.#looking = undefined;
    });
    await this.#looking;
  }

  /** Begins a look that will be needed soon, so that it need not be waited for then. Whoever needs it is told a failure. */
  lookAhead(): void {
    this.fresh().catch(() => undefined);
  }

  /** What was seen counts no more. */
  forget(): void {
    this.#until = 0;
  }

  async #lookNow(): Promise<void> {
    await this.#look();
    this.#until = performance.now() + this.#countsMs;
  }
}
