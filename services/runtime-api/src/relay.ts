import type { Caller } from './auth.ts';
import { unavailable } from './problems.ts';

const TIMEOUT_MS = 15_000;
const UPLOAD_TIMEOUT_MS = 120_000;

/** What is passed on to results. */
export interface RelayRequest {
  readonly method: string;
  /** Below `/runtime/v1`. */
  readonly path: string;
  readonly body?: ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer> | null;
  readonly contentType?: string | undefined;
  readonly contentEncoding?: string | undefined;
  readonly upload?: boolean;
}

/** Passes requests on to results with the job's own token. */
export interface Relay {
  /**
   * @returns the answer of results as it came
   * @throws RefusedError 503 when results cannot be reached or answers 502, 503 or 504 itself
   */
  send(caller: Caller, request: RelayRequest): Promise<Response>;
  reachable(): Promise<boolean>;
}

export function resultsRelay(resultsUrl: string, ended: () => AbortSignal): Relay {
  const base = resultsUrl.replace(/\/+$/, '');
  return {
    async send(caller, { method, path, body = null, contentType, contentEncoding, upload }) {
      const signal = AbortSignal.any([AbortSignal.timeout(upload ? UPLOAD_TIMEOUT_MS : TIMEOUT_MS), ended()]);
      const headers = new Headers({ authorization: `Bearer ${caller.token}` });
      if (contentType !== undefined) headers.set('content-type', contentType);
      if (contentEncoding !== undefined) headers.set('content-encoding', contentEncoding);
      const init = { method, headers, signal, body, ...(body !== null && { duplex: 'half' as const }) };
      const response = await fetch(`${base}/runtime/v1${path}`, init).catch((error: unknown) => {
        throw unavailable('The results service cannot be reached. Nothing was written; try again.', error);
      });
      return new Response(response.body, { status: response.status, headers: kept(response.headers) });
    },
    reachable: () =>
      fetch(`${base}/health`, { signal: AbortSignal.timeout(2000) }).then(
        async (response) => {
          await response.body?.cancel();
          return response.ok;
        },
        () => false,
      ),
  };
}

/** The headers that mean something to the job; the connection's own stay behind. */
function kept(headers: Headers): Headers {
  const answer = new Headers();
  for (const name of ['content-type', 'retry-after', 'etag']) {
    const value = headers.get(name);
    if (value !== null) answer.set(name, value);
  }
  return answer;
}
