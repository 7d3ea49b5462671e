import { problems } from '../problems.ts';

/** A share of a {@link Budget}; disposing of it gives all of it back. */
export interface Share extends Disposable {
  /** @throws HttpProblem 429 when the budget has not that much left */
  take(bytes: number): void;
}

/** Memory that requests may hold together. */
export class Budget {
  readonly #limit: number;
  #used = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  hold(): Share {
    let held = 0;
    return {
      take: (bytes) => {
        if (this.#used + bytes > this.#limit) {
          throw problems.busy(
            'The producer reads as many large bodies as it has memory for; send this one again soon.',
            2,
          );
        }
        held += bytes;
        this.#used += bytes;
      },
      [Symbol.dispose]: () => {
        this.#used -= held;
        held = 0;
      },
    };
  }
}

/** Lets a number of things happen at once. */
export class Slots {
  readonly #limit: number;
  readonly #what: string;
  #taken = 0;

  constructor(limit: number, what: string) {
    this.#limit = limit;
    this.#what = what;
  }

  get taken(): number {
    return this.#taken;
  }

  /** @throws HttpProblem 429 when all are taken */
  take(): Disposable {
    if (this.#taken >= this.#limit)
      throw problems.busy(`${this.#limit} ${this.#what} are going on already; send this one again soon.`, 2);
    this.#taken += 1;
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (held) this.#taken -= 1;
        held = false;
      },
    };
  }
}
