/** Work that goes on while nobody waits for it, until its owner closes. */
export class BackgroundWork {
  readonly #underWay = new Set<Promise<void>>();
  readonly #onError: (error: unknown) => void;

  /** @param onError told of each failure */
  constructor(onError: (error: unknown) => void = () => undefined) {
    this.#onError = onError;
  }

  add(work: Promise<void>): void {
    const settled = work.catch(this.#onError);
    this.#underWay.add(settled);
    settled.finally(() => this.#underWay.delete(settled));
  }

  /** Resolves when none is under way, also none that began while others ended; never rejects. */
  async ended(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }
}
