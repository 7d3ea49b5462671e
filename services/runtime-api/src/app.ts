import {
  appendBody,
  conditionBody,
  fieldErrors,
  incrementBody,
  JsonSyntaxError,
  MAX_OUTPUT_BYTES,
  outputBody,
  parseJson,
  progressBody,
  toolActionBody,
  variablePut,
} from '@cronium/contracts';
import { type Context, Hono } from 'hono';
import type { JWK } from 'jose';
import type { z } from 'zod';
import { authenticate, type Caller } from './auth.ts';
import type { Binding, BindingHolder } from './binding.ts';
import { readBounded } from './body.ts';
import { forbidden, notFound, problemResponse, RefusedError } from './problems.ts';
import type { Relay } from './relay.ts';
import type { Revocations } from './revocation.ts';

const SMALL_BODY_BYTES = 64 * 1024;
/** The envelope around the data, and JSON's escapes. */
const OUTPUT_BODY_BYTES = MAX_OUTPUT_BYTES + 1024;

export interface AppDeps {
  readonly jwks: readonly JWK[];
  readonly binding: BindingHolder;
  readonly revocations: Revocations;
  readonly relay: Relay;
  /** The text of `/metrics`. */
  metrics(): string;
  /** Called with the status of every answer. */
  count(status: number): void;
  log(message: string, error: unknown): void;
}

type Env = { Variables: { caller: Caller; bound: Binding } };

/** The runtime API (DESIGN section 6) as a Hono app. */
export function createApp(deps: AppDeps): Hono<Env> {
  const app = new Hono<Env>();
  app.use(async (c, next) => {
    await next();
    deps.count(c.res.status);
  });
  app.onError((error) => {
    if (error instanceof RefusedError) return problemResponse(error);
    deps.log('a request failed', error);
    return problemResponse(
      new RefusedError('internal', {
        status: 500,
        detail: 'The sidecar failed. Try again.',
        retryAfterSeconds: 1,
      }),
    );
  });
  app.notFound((c) =>
    problemResponse(notFound(`There is no ${c.req.method} ${c.req.path}. See docs/runtime.md.`)),
  );

  app.get('/health', async (c) => {
    const [valkey, results] = await Promise.all([deps.revocations.reachable(), deps.relay.reachable()]);
    return c.json({ status: 'ok', valkey: reach(valkey), results: reach(results) });
  });
  app.get('/metrics', (c) => c.text(deps.metrics()));

  app.use('/executions/:id/*', async (c, next) => {
    const caller = await authenticate(c.req.header('authorization'), deps);
    if (c.req.param('id') !== caller.claims.executionId) {
      throw forbidden(
        `The token is of ${caller.claims.executionId}, not of ${c.req.param('id').slice(0, 100)}.`,
      );
    }
    await bindAndGo(c, caller, next);
  });
  for (const path of ['/tool-actions/*', '/otlp/*']) {
    app.use(path, async (c, next) => {
      await bindAndGo(c, await authenticate(c.req.header('authorization'), deps), next);
    });
  }
  const bindAndGo = async (c: Context<Env>, caller: Caller, next: () => Promise<void>) => {
    const bound = deps.binding.current;
    if (bound === undefined) throw forbidden('The attempt has ended.');
    c.set('caller', caller);
    c.set('bound', bound);
    await next();
  };

  executionRoutes(app, deps.relay);
  variableRoutes(app, deps.relay);
  otherRoutes(app, deps.relay);
  return app;
}

const reach = (ok: boolean): string => (ok ? 'reachable' : 'unreachable');

/** Reads and checks a JSON body. @throws RefusedError 400 or 413 */
async function checked<T>(c: Context, schema: z.ZodType<T>, maxBytes: number): Promise<T> {
  const bytes = await readBounded(c.req.raw, maxBytes);
  let value: unknown;
  try {
    value = parseJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    if (!(error instanceof JsonSyntaxError || error instanceof TypeError)) throw error;
    throw new RefusedError('bad-request', {
      status: 400,
      detail: `The body is not JSON: ${error.message}`,
      cause: error,
    });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = fieldErrors(parsed.error);
  throw new RefusedError('bad-request', { status: 400, detail: 'The body has wrong fields.', errors });
}

const json = (value: unknown): Uint8Array<ArrayBuffer> => new TextEncoder().encode(JSON.stringify(value));

const inExecution = (c: Context<Env>, rest: string): string =>
  `/executions/${c.get('caller').claims.executionId}${rest}`;

function executionRoutes(app: Hono<Env>, relay: Relay): void {
  app.get('/executions/:id/input', (c) => c.json({ success: true, data: c.get('bound').input }));
  app.get('/executions/:id/context', (c) => c.json({ success: true, data: c.get('bound').context }));

  const post = <T>(name: string, schema: z.ZodType<T>, maxBytes: number) =>
    app.post(`/executions/:id/${name}`, async (c) => {
      const body = json(await checked(c, schema, maxBytes));
      const path = inExecution(c, `/${name}`);
      return relay.send(c.get('caller'), { method: 'POST', path, body, contentType: 'application/json' });
    });
  post('output', outputBody, OUTPUT_BODY_BYTES);
  post('condition', conditionBody, SMALL_BODY_BYTES);
  post('progress', progressBody, SMALL_BODY_BYTES);

  app.get('/executions/:id/secrets/:name', async (c) => {
    const name = c.req.param('name');
    if (!c.get('bound').secrets.includes(name)) {
      throw forbidden(
        `The job does not name the secret ${name.slice(0, 100)}; add it to the job's "secrets".`,
      );
    }
    const path = inExecution(c, `/secrets/${encodeURIComponent(name)}`);
    return relay.send(c.get('caller'), { method: 'GET', path });
  });
}

function variableRoutes(app: Hono<Env>, relay: Relay): void {
  const path = (c: Context<Env>, rest = '') =>
    inExecution(c, `/variables/${encodeURIComponent(c.req.param('key') ?? '')}${rest}`);
  const send = async (c: Context<Env>, options: { method: string; rest?: string; body?: unknown }) => {
    const { method, rest, body } = options;
    const request = { method, path: path(c, rest) };
    if (body === undefined) return relay.send(c.get('caller'), request);
    return relay.send(c.get('caller'), { ...request, body: json(body), contentType: 'application/json' });
  };
  const key = '/executions/:id/variables/:key';
  app.get(key, (c) => send(c, { method: 'GET' }));
  app.delete(key, (c) => send(c, { method: 'DELETE' }));
  app.put(key, async (c) =>
    send(c, { method: 'PUT', body: await checked(c, variablePut, OUTPUT_BODY_BYTES) }),
  );
  app.post(`${key}/increment`, async (c) =>
    send(c, { method: 'POST', rest: '/increment', body: await checked(c, incrementBody, SMALL_BODY_BYTES) }),
  );
  app.post(`${key}/append`, async (c) =>
    send(c, { method: 'POST', rest: '/append', body: await checked(c, appendBody, OUTPUT_BODY_BYTES) }),
  );
}

function otherRoutes(app: Hono<Env>, relay: Relay): void {
  app.put('/executions/:id/artifacts/:path{.+}', (c) => {
    const path = c.req.param('path');
    if (path.split('/').some((part) => part === '' || part === '.' || part === '..')) {
      throw new RefusedError('bad-request', {
        status: 400,
        detail: `${path.slice(0, 200)} is not a plain relative path; an artifact's path has no "..", "." or empty part.`,
      });
    }
    const encoded = path.split('/').map(encodeURIComponent).join('/');
    const contentType = c.req.header('content-type');
    const body = c.req.raw.body;
    const request = {
      method: 'PUT',
      path: inExecution(c, `/artifacts/${encoded}`),
      body,
      contentType,
      upload: true,
    };
    return relay.send(c.get('caller'), request);
  });

  app.post('/tool-actions/execute', async (c) => {
    const body = json(await checked(c, toolActionBody, OUTPUT_BODY_BYTES));
    const request = { method: 'POST', path: '/tool-actions/execute', body, contentType: 'application/json' };
    return relay.send(c.get('caller'), { ...request, upload: true });
  });

  for (const signal of ['traces', 'logs']) {
    app.post(`/otlp/v1/${signal}`, async (c) => {
      const body = await readBounded(c.req.raw, OUTPUT_BODY_BYTES);
      const contentType = c.req.header('content-type');
      const contentEncoding = c.req.header('content-encoding');
      const path = inExecution(c, `/otlp/v1/${signal}`);
      return relay.send(c.get('caller'), { method: 'POST', path, body, contentType, contentEncoding });
    });
  }
}
