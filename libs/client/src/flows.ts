import type { AcceptedFlow, FlowInput, FlowPage, FlowSummary, FlowView } from '@cronium/contracts';
import type { CallOptions, SubmitOptions } from './client.ts';
import { queryOf } from './query.ts';
import type { Transport } from './transport.ts';
import { type WaitOptions, waitUntil } from './wait.ts';

const PAGE_SIZE = 100;

/** Jobs that wait for each other. */
export class FlowsClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** @throws CroniumApiError 422 with the wrong fields */
  submit(flow: FlowInput, options: SubmitOptions = {}): Promise<AcceptedFlow> {
    const { idempotencyKey, traceparent, signal } = options;
    return this.#transport.json({
      service: 'producer',
      method: 'POST',
      path: '/v1/flows',
      headers: {
        'content-type': 'application/json',
        ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
        ...(traceparent !== undefined && { traceparent }),
      },
      body: JSON.stringify(flow),
      repeatable: idempotencyKey !== undefined,
      signal,
    });
  }

  /** Nothing more of it starts, and its jobs are cancelled. Repeating it changes nothing. */
  cancel(id: string, { signal }: CallOptions = {}): Promise<{ id: string; cancelling: true }> {
    const path = `/v1/flows/${encodeURIComponent(id)}/cancel`;
    return this.#transport.json({ service: 'producer', method: 'POST', path, repeatable: true, signal });
  }

  /** @throws CroniumApiError 404 */
  get(id: string, options: CallOptions = {}): Promise<FlowView> {
    return this.#read(`/v1/flows/${encodeURIComponent(id)}`, options);
  }

  /** Flows, newest first; pages are fetched as they are needed. */
  async *list(
    options: CallOptions & { state?: FlowView['state']; limit?: number } = {},
  ): AsyncGenerator<FlowSummary> {
    const { signal, state, limit = Number.POSITIVE_INFINITY } = options;
    let cursor: string | undefined;
    for (let left = limit; left > 0; ) {
      const query = { state, cursor, limit: Math.min(left, PAGE_SIZE) };
      const page = await this.page(query, { ...(signal && { signal }) });
      yield* page.flows;
      if (page.cursor === null) return;
      cursor = page.cursor;
      left -= page.flows.length;
    }
  }

  /** A page of flows, newest first. */
  page(
    query: { state?: FlowView['state'] | undefined; limit?: number; cursor?: string | undefined },
    options: CallOptions = {},
  ): Promise<FlowPage> {
    return this.#read(`/v1/flows${queryOf(query)}`, options);
  }

  /** Waits for a flow's end. @throws CroniumWaitError when time is up */
  waitFor(id: string, options: WaitOptions<FlowView> = {}): Promise<FlowView> {
    const { signal } = options;
    return waitUntil(() => this.get(id, { ...(signal && { signal }) }), flowEnded, {
      ...options,
      what: `flow ${id}`,
    });
  }

  #read<T>(path: string, { signal }: CallOptions): Promise<T> {
    return this.#transport.json({ service: 'results', method: 'GET', path, repeatable: true, signal });
  }
}

function flowEnded({ state }: FlowView): boolean {
  return state !== 'running';
}
