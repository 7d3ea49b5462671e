import { type NodeOffer, type QueueRecord, queueRecord, readRecord, serves } from '@cronium/contracts';
import type { JobQueue } from './queue.ts';

export interface QueuesOptions {
  readonly node: NodeOffer;
  /** All registered queues as they stand in the store: name -> JSON. */
  list(): Promise<Readonly<Record<string, string>>>;
  open(name: string): JobQueue;
  /** A queue that this node serves was found. Called once for each. */
  onServed(queue: JobQueue, record: QueueRecord): void;
  onError(error: unknown): void;
}

/** The queues of the fleet that this node knows: those that it serves, and those that it holds jobs of. */
export class Queues {
  readonly #options: QueuesOptions;
  readonly #open = new Map<string, JobQueue>();
  readonly #served = new Set<string>();

  constructor(options: QueuesOptions) {
    this.#options = options;
  }

  /** A queue by name, served or not. */
  get(name: string): JobQueue {
    const known = this.#open.get(name);
    if (known) return known;
    const queue = this.#options.open(name);
    this.#open.set(name, queue);
    return queue;
  }

  get served(): readonly string[] {
    return [...this.#served];
  }

  /** Looks for queues that were registered since. */
  async refresh(): Promise<void> {
    for (const [name, json] of Object.entries(await this.#options.list())) {
      if (!this.#served.has(name)) this.#consider(name, json);
    }
  }

  #consider(name: string, json: string): void {
    const record = readRecord(queueRecord, json);
    if (record === undefined) {
      this.#options.onError(new Error(`the record of queue ${name} cannot be read: ${json.slice(0, 200)}`));
      return;
    }
    if (!serves(this.#options.node, record)) return;
    this.#served.add(name);
    this.#options.onServed(this.get(name), record);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map((queue) => queue.close()));
  }
}
