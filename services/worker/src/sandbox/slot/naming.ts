/** Jobs that are over sooner are not renamed: it costs the daemon more than they do. */
const AFTER_MS = 250;

/**
 * Gives what stands in a slot the names of the job that has it, for people who look. Nothing depends on a name: the
 * journal knows the containers by their ids.
 */
export class Naming implements Disposable {
  readonly #rename: () => Promise<void>;
  #timer: NodeJS.Timeout | undefined;
  #renaming: Promise<void> | undefined;

  constructor(rename: () => Promise<void>) {
    this.#rename = rename;
  }

  /** The job has begun. */
  begin(): void {
    this.#timer = setTimeout(() => {
      // A name that is taken, or a daemon that is away, is no reason to trouble the job.
      this.#renaming = this.#rename().catch(() => undefined);
    }, AFTER_MS);
  }

  /** No name is given from now on; resolves when one that is being given was. */
  async end(): Promise<void> {
    this[Symbol.dispose]();
    await this.#renaming;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
