/**
 * Keeps renames of containers apart from what adds endpoints to their networks or takes them away. Docker writes the
 * count of a network's endpoints back when it renames a container on it; when the count has changed meanwhile, the
 * network can never be removed while that daemon runs.
 *
 * Changes come first: a rename begins when none goes on or waits, and a change waits for the renames that go on.
 */
export class EndpointGate {
  readonly #changes = new Set<Promise<unknown>>();
  readonly #renames = new Set<Promise<unknown>>();

  /** Starts or removes a container that has endpoints; any number at once. */
  change<T>(work: () => Promise<T>): Promise<T> {
    return track(this.#changes, Promise.allSettled(this.#renames).then(work));
  }

  /** Renames a container that has endpoints; any number at once. */
  async rename<T>(work: () => Promise<T>): Promise<T> {
    while (this.#changes.size > 0) await Promise.allSettled(this.#changes);
    return track(this.#renames, work());
  }
}

function track<T>(going: Set<Promise<unknown>>, work: Promise<T>): Promise<T> {
  going.add(work);
  const end = () => going.delete(work);
  work.then(end, end);
  return work;
}
