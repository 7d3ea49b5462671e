import { type Context, Hono } from 'hono';
import type { Deps } from '../deps.ts';
import { type Env, keyOf } from '../http/auth.ts';
import { problems } from '../http/problems.ts';

/** What a person does from the dashboard is the producer's to do; the page talks to its own origin alone. */
export const RELAYED = [
  ['POST', '/v1/jobs/:id/cancel'],
  ['POST', '/v1/jobs/:id/retry'],
  ['POST', '/v1/batches/:id/cancel'],
  ['POST', '/v1/batches/:id/retry'],
  ['POST', '/v1/flows/:id/cancel'],
  ['POST', '/v1/schedules/:name/pause'],
  ['POST', '/v1/schedules/:name/resume'],
  ['DELETE', '/v1/schedules/:name'],
  ['GET', '/v1/queues'],
  ['POST', '/v1/queues/:pool/pause'],
  ['POST', '/v1/queues/:pool/resume'],
] as const;

const ANSWER_MS = 30_000;
const PASSED_ON = ['content-type', 'retry-after'];

/** Hands requests on to the producer with the caller's own key; its answer comes back as it is. */
export function relayRoutes(deps: Pick<Deps, 'producerUrl' | 'signal'>): Hono<Env> {
  const app = new Hono<Env>();
  for (const [method, path] of RELAYED) app.on(method, path, (c) => relay(deps, c));
  return app;
}

async function relay(
  { producerUrl, signal }: Pick<Deps, 'producerUrl' | 'signal'>,
  c: Context<Env>,
): Promise<Response> {
  const { pathname, search } = new URL(c.req.url);
  const ends = AbortSignal.any([signal, c.req.raw.signal, AbortSignal.timeout(ANSWER_MS)]);
  try {
    const answer = await fetch(`${producerUrl.replace(/\/+$/, '')}${pathname}${search}`, {
      method: c.req.method,
      headers: { authorization: `Bearer ${keyOf(c) ?? ''}`, accept: 'application/json' },
      redirect: 'error',
      signal: ends,
    });
    const headers = PASSED_ON.flatMap((name) => {
      const value = answer.headers.get(name);
      return value === null ? [] : [[name, value] as [string, string]];
    });
    const body = await answer.arrayBuffer();
    // An answer such as 204 must not have a body, not even an empty one.
    return new Response(body.byteLength === 0 ? null : body, { status: answer.status, headers });
  } catch (error) {
    if (c.req.raw.signal.aborted) throw error;
    throw problems.producerAway(producerUrl);
  }
}
