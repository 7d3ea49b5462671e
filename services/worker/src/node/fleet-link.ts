import type { CancelRequest, NodeCensus, NodeRecord } from '@cronium/contracts';
import type { AttemptStore, Cancellable } from '../attempt/deps.ts';
import type { JobQueue } from '../claim/queue.ts';
import type { ControlListener } from './control.ts';

/** The fleet's own keys, as a worker reads and writes them. Every call fails within seconds when the store is away. */
export interface NodeStore extends AttemptStore {
  ping(): Promise<void>;
  /** All registered queues as they stand in the store: name -> JSON. */
  queues(): Promise<Readonly<Record<string, string>>>;
  pausedPools(): Promise<ReadonlySet<string>>;
  /** Does an operator want this node drained? */
  isDrained(node: string): Promise<boolean>;
  /**
   * Publishes a record, unless what stands under its name is another key's, is no farewell and is not what was read before.
   * @returns false when it was not published
   */
  publishNode(record: NodeRecord, before: NodeRecord | undefined): Promise<boolean>;
  /** What was last published under a name; `undefined` also for what this version cannot read. */
  nodeRecord(node: string): Promise<NodeRecord | undefined>;
  /** Says what this node's Docker runs. */
  answerCensus(node: string, census: NodeCensus): Promise<void>;
  /** Those of the jobs that someone wants cancelled, them or their batches. */
  cancelRequests(jobs: readonly Cancellable[]): Promise<readonly CancelWish[]>;
  /** Answers a question that came over the control channel; whoever asked looks for it for a while. */
  answer(question: string, answer: unknown): Promise<void>;
}

/** A job that someone wants cancelled. */
export interface CancelWish {
  readonly jobId: string;
  readonly request: CancelRequest;
}

export interface StoreOptions {
  /** Ends what goes on in the background. */
  readonly signal: AbortSignal;
  onError(error: unknown): void;
}

/** A node's way to the rest of the fleet: queues, shared keys, channels. On Valkey, or simulated. */
export interface FleetLink {
  /** A queue by its name; called once for each. */
  openQueue(name: string): JobQueue;
  openStore(options: StoreOptions): NodeStore;
  /** Listens to the fleet's channels. Messages are hints; what they are about stands in keys. */
  listen(listener: ControlListener): void;
  /** Calls back each time that the queues can be reached (again). */
  onReachable(callback: () => void): void;
  /** A question got no answer: what connects to the queues is dead, whatever it thinks. */
  reconnect(): void;
}
