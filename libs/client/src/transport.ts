import type { Problem } from '@cronium/contracts';
import {
  CroniumApiError,
  CroniumConnectionError,
  CroniumTimeoutError,
  type FailedCall,
  type ServiceName,
} from './errors.ts';
import { backoffMs, pause } from './pause.ts';

/** Where the fleet is, and how patient to be. */
export interface ClientOptions {
  readonly producerUrl: string;
  readonly resultsUrl: string;
  /** Without one nothing is sent: in a browser the dashboard's cookie says who asks. */
  readonly apiKey?: string;
  /** How long one try of a call may take. Streams: until the first byte. Default 30,000. */
  readonly timeoutMs?: number;
  /** How often a call that may be repeated is tried in all. Default 5. */
  readonly attempts?: number;
  /** The longest wait that a service's Retry-After is honoured for; a longer one is an error at once. Default 60,000. */
  readonly maxRetryAfterMs?: number;
  /** Another `fetch`. Default: the global one. */
  readonly fetch?: typeof fetch;
}

/** One request. */
export interface Call {
  readonly service: ServiceName;
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With its leading slash and its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Blob | ReadableStream<Uint8Array>;
  /** May be sent again after a failure that leaves its effect unknown. */
  readonly repeatable: boolean;
  readonly signal?: AbortSignal | undefined;
  /** `Infinity` for none: an upload takes as long as its source. */
  readonly timeoutMs?: number | undefined;
}

const RETRIED_STATUS: readonly number[] = [429, 502, 503, 504];

/** Sends requests: adds the key, bounds each try, repeats what may be repeated, and turns failures into errors. */
export class Transport {
  readonly #options: Required<Omit<ClientOptions, 'apiKey'>> & Pick<ClientOptions, 'apiKey'>;

  constructor(options: ClientOptions) {
    this.#options = {
      timeoutMs: 30_000,
      attempts: 5,
      maxRetryAfterMs: 60_000,
      fetch: (...args) => globalThis.fetch(...args),
      ...options,
    };
  }

  /** Sends a call whose answer has no body. */
  async nothing(call: Call): Promise<void> {
    await this.#repeat(call, (one) =>
      this.#try(one, async (response) => void (await response.arrayBuffer())),
    );
  }

  /** Sends a call and reads its JSON answer. */
  async json<T>(call: Call): Promise<T> {
    return this.#repeat(call, (one) => this.#try(one, async (response) => (await response.json()) as T));
  }

  /** Sends a call and gives the answer's bytes as they come. A break in them is the reader's to handle. */
  async stream(call: Call): Promise<ReadableStream<Uint8Array>> {
    return this.#repeat(call, (one) =>
      this.#try(one, async (response) => response.body ?? new Blob([]).stream()),
    );
  }

  async #repeat<T>(call: Call, run: (call: Call) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await run(call);
      } catch (error) {
        const waitMs = this.#pauseBeforeRepeat(call, error, attempt);
        if (waitMs === undefined) throw error;
        await pause(waitMs, call.signal);
      }
    }
  }

  #pauseBeforeRepeat(call: Call, error: unknown, attempt: number): number | undefined {
    if (!call.repeatable || call.signal?.aborted || attempt >= this.#options.attempts) return undefined;
    if (error instanceof CroniumConnectionError || error instanceof CroniumTimeoutError)
      return backoffMs(attempt + 1);
    if (!(error instanceof CroniumApiError) || !RETRIED_STATUS.includes(error.status)) return undefined;
    const waitMs = error.retryAfterMs ?? backoffMs(attempt + 1);
    return waitMs <= this.#options.maxRetryAfterMs ? waitMs : undefined;
  }

  async #try<T>(call: Call, read: (response: Response) => Promise<T>): Promise<T> {
    const failed = this.#describe(call);
    const timeoutMs = call.timeoutMs ?? this.#options.timeoutMs;
    const controller = new AbortController();
    const timer = Number.isFinite(timeoutMs)
      ? setTimeout(() => controller.abort(new CroniumTimeoutError(failed, timeoutMs)), timeoutMs)
      : undefined;
    const onAbort = () => controller.abort(call.signal?.reason);
    call.signal?.addEventListener('abort', onAbort, { once: true });
    if (call.signal?.aborted) onAbort();
    try {
      const response = await this.#options.fetch(failed.url, this.#init(call, controller.signal));
      if (!response.ok) throw await apiError(failed, response);
      return await read(response);
    } catch (error) {
      if (controller.signal.aborted) throw controller.signal.reason;
      throw error instanceof CroniumApiError ? error : new CroniumConnectionError(failed, { cause: error });
    } finally {
      clearTimeout(timer);
      call.signal?.removeEventListener('abort', onAbort);
    }
  }

  #describe(call: Call): FailedCall {
    const base = call.service === 'producer' ? this.#options.producerUrl : this.#options.resultsUrl;
    return { service: call.service, method: call.method, url: `${base.replace(/\/+$/, '')}${call.path}` };
  }

  #init(call: Call, signal: AbortSignal): RequestInit {
    const headers = {
      ...(this.#options.apiKey !== undefined && { authorization: `Bearer ${this.#options.apiKey}` }),
      accept: 'application/json',
      ...call.headers,
    };
    const base = { method: call.method, headers, signal };
    if (call.body === undefined) return base;
    // Node and Chromium ask for `duplex` when a body is a stream.
    return { ...base, body: call.body, ...(call.body instanceof ReadableStream ? { duplex: 'half' } : {}) };
  }
}

async function apiError(call: FailedCall, response: Response): Promise<CroniumApiError> {
  return new CroniumApiError(
    call,
    await problemOf(response),
    retryAfterMs(response.headers.get('retry-after')),
  );
}

/** A proxy in between may answer with something that is not a problem document. */
async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text();
  const fallback: Problem = {
    type: 'about:blank',
    title: response.statusText || `HTTP ${response.status}`,
    status: response.status,
    ...(text === '' ? {} : { detail: text.slice(0, 500) }),
  };
  if (!/\bjson\b/.test(response.headers.get('content-type') ?? '')) return fallback;
  try {
    const body: unknown = JSON.parse(text);
    return isProblem(body) ? body : fallback;
  } catch {
    return fallback;
  }
}

function isProblem(body: unknown): body is Problem {
  return typeof body === 'object' && body !== null && 'title' in body && 'status' in body;
}

/** Seconds or an HTTP date (RFC 9110, section 10.2.3). */
export function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined;
  if (/^\d+$/.test(header.trim())) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}
