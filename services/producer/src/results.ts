import { type FlowState, flowState, type JobState, jobState, queuePayload } from '@cronium/contracts';
import { z } from 'zod';
import { ResultsUnavailableError } from './errors.ts';
import { linesOf } from './http/lines.ts';

const ANSWER_MS = 2000;
const LONGEST_LINE = 64 * 2 ** 20;

const stateOfJob = z.object({ state: jobState });
const stateOfFlow = z.object({ state: flowState });

/** An ended job, as results has it, ready to be queued again. */
const endedJob = z.object({
  jobId: z.string().optional(),
  state: jobState,
  payload: queuePayload,
  attempts: z.int().nonnegative(),
});
export type EndedJob = z.infer<typeof endedJob>;

/** The little that the producer asks of results, each time in the caller's own name. */
export class ResultsClient {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  /** The state of a job; `undefined` when results does not know it. */
  async jobState(jobId: string, authorization: string): Promise<JobState | undefined> {
    const response = await this.#get(`/v1/jobs/${jobId}`, authorization);
    return response && stateOfJob.parse(await response.json()).state;
  }

  /** Does results know this batch? */
  async hasBatch(batchId: string, authorization: string): Promise<boolean> {
    const response = await this.#get(`/v1/batches/${batchId}`, authorization);
    await response?.body?.cancel();
    return response !== undefined;
  }

  /** The state of a flow; `undefined` when results does not know it. */
  async flowState(flowId: string, authorization: string): Promise<FlowState | undefined> {
    const response = await this.#get(`/v1/flows/${flowId}`, authorization);
    return response && stateOfFlow.parse(await response.json()).state;
  }

  /** A job with its payload; `undefined` when results does not know it. */
  async job(jobId: string, authorization: string): Promise<EndedJob | undefined> {
    const response = await this.#get(`/internal/v1/jobs/${jobId}/payload`, authorization);
    return response && endedJob.parse(await response.json());
  }

  /** The jobs of a batch that ended in a state; `undefined` when results does not know the batch. */
  async batchJobs(
    batchId: string,
    state: JobState,
    authorization: string,
  ): Promise<AsyncIterable<EndedJob & { jobId: string }> | undefined> {
    const response = await this.#get(
      `/internal/v1/batches/${batchId}/payloads?state=${state}`,
      authorization,
      { stream: true },
    );
    return response?.body ? endedJobs(response.body) : undefined;
  }

  async #get(path: string, authorization: string, { stream = false } = {}): Promise<Response | undefined> {
    const answered = new AbortController();
    const timer = setTimeout(() => answered.abort(), ANSWER_MS);
    try {
      const response = await fetch(this.#url + path, { headers: { authorization }, signal: answered.signal });
      if (response.ok)
        return stream ? response : new Response(await response.text(), { status: response.status });
      await response.body?.cancel();
      if (response.status === 404) return undefined;
      throw new ResultsUnavailableError(`results at ${this.#url} answered ${response.status}.`);
    } catch (error) {
      if (error instanceof ResultsUnavailableError) throw error;
      throw new ResultsUnavailableError(`results at ${this.#url} does not answer.`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }
}

async function* endedJobs(body: ReadableStream<Uint8Array>): AsyncGenerator<EndedJob & { jobId: string }> {
  const line = endedJob.required({ jobId: true });
  try {
    for await (const lines of linesOf(body, LONGEST_LINE)) {
      for (const { bytes } of lines) if (bytes) yield line.parse(JSON.parse(bytes.toString()));
    }
  } catch (error) {
    throw error instanceof z.ZodError
      ? error
      : new ResultsUnavailableError('results broke off its answer.', { cause: error });
  }
}
