/**
 * Keeps renames of containers apart from what adds endpoints to networks or takes them away. Docker miscounts a
 * network's endpoints when both happen at once, and then refuses to remove the network for as long as it runs.
 */
export class EndpointGate {
  #renamed: Promise<unknown> = Promise.resolve();
  readonly #changes = new Set<Promise<unknown>>();

  /** Starts, connects or removes a container; any number at once. */
  async change<T>(work: () => Promise<T>): Promise<T> {
    for (let before: unknown; before !== this.#renamed; ) {
      before = this.#renamed;
      await before;
    }
    const running = work();
    const ended = running.then(
      () => undefined,
      () => undefined,
    );
    this.#changes.add(ended);
    ended.then(() => this.#changes.delete(ended));
    return running;
  }

  /** Renames a container that has endpoints: when no change goes on, and one at a time. */
  rename<T>(work: () => Promise<T>): Promise<T> {
    const before = [this.#renamed, ...this.#changes];
    const running = Promise.all(before).then(work);
    this.#renamed = running.catch(() => undefined);
    return running;
  }
}
