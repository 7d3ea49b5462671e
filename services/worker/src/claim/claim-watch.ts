import type { Obstacle } from './gate.ts';

/** Longer than a break of the connection takes to be noticed and mended. */
const LONG_MS = 20_000;

interface Failing {
  /** When it failed first and last; monotonic milliseconds. */
  readonly since: number;
  readonly until: number;
  readonly error: unknown;
}

/** Sees that queues are looked at: claims that fail close no gate, because only further ones can show that they work again. */
export class ClaimWatch {
  readonly #failing = new Map<string, Failing>();

  worked(queue: string): void {
    this.#failing.delete(queue);
  }

  failed(queue: string, error: unknown): void {
    const until = performance.now();
    const { since } = this.#failing.get(queue) ?? { since: until };
    this.#failing.set(queue, { since, until, error });
  }

  /** The queues of which no job could be claimed for long. */
  obstacles(): Obstacle[] {
    const long = [...this.#failing].filter(([, { since, until }]) => until - since >= LONG_MS);
    return long.map(([queue, { since, until, error }]) => {
      const seconds = Math.round((until - since) / 1000);
      const why = error instanceof Error ? error.message : String(error);
      const message = `no job of queue ${queue} could be claimed for ${seconds} s (${why}); if Valkey answers, start this worker again`;
      return { name: 'claiming', message };
    });
  }
}
