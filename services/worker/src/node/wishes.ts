import type { ControlMessage } from '@cronium/contracts';
import type { Claim } from '../claim/claim.ts';
import type { Gate } from '../claim/gate.ts';
import type { Queues } from '../claim/queues.ts';
import type { SandboxRuntime } from '../sandbox/runtime.ts';
import type { NodeStore } from './fleet-link.ts';
import type { Running } from './running.ts';

export interface WishesOptions {
  readonly node: string;
  readonly store: NodeStore;
  readonly gate: Gate;
  readonly running: Running;
  readonly queues: Queues;
  readonly runtime: Pick<SandboxRuntime, 'observe'>;
}

/** What people want of this node: which queues there are, paused pools, drains, cancels. The keys are the truth. */
export class Wishes {
  readonly #options: WishesOptions;

  constructor(options: WishesOptions) {
    this.#options = options;
  }

  /** Reads everything again. */
  async refresh(): Promise<void> {
    const { node, store, gate, queues } = this.#options;
    await queues.refresh();
    gate.setPausedPools(await store.pausedPools());
    const drained = await store.isDrained(node);
    gate.set(
      'drain',
      drained ? `an operator drains this node; resume it with: cronium resume ${node}` : undefined,
    );
  }

  /** A message is a hint: what it is about is read again. */
  async follow(message: ControlMessage): Promise<void> {
    if (message.type === 'cancel') await this.#lookFor(({ jobId }) => jobId === message.jobId);
    else if (message.type === 'cancel-batch')
      await this.#lookFor(({ payload }) => payload.batchId === message.batchId);
    else if (message.type === 'census') await this.#answerCensus(message.census);
    else await this.refresh();
  }

  /** By what Docker lists, not by what this process believes. */
  async #answerCensus(census: string): Promise<void> {
    const { node, store, runtime } = this.#options;
    const sandboxes = (await runtime.observe()).filter(({ containerId }) => containerId !== undefined);
    const listed = sandboxes.map(({ jobId, attemptId, running }) => ({ jobId, attemptId, running }));
    await store.answerCensus(node, { census, at: Date.now(), sandboxes: listed });
  }

  /** Ends those that run of which someone wants that. */
  lookForCancels(): Promise<void> {
    return this.#lookFor(() => true);
  }

  async #lookFor(concerns: (claim: Claim) => boolean): Promise<void> {
    const { store, running } = this.#options;
    for (const { jobId, request } of await store.cancelRequests(running.claims.filter(concerns))) {
      for (const attempt of running.ofJob(jobId)) {
        attempt.requestStop({ type: 'cancelled', by: request.by, reason: request.reason });
      }
    }
  }
}
