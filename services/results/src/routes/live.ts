import { type LiveMessage, liveSubscription } from '@cronium/contracts';
import { pause } from '@cronium/lifecycle';
import { upgradeWebSocket } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { WebSocket } from 'ws';
import type { Deps } from '../deps.ts';
import { type Env, requireOwnPage } from '../http/auth.ts';
import { LiveSession } from '../live/session.ts';

/** Changes that come together are told together; someone who reads a log along is told sooner. */
const GATHER_MS = 150;
const LOG_GATHER_MS = 40;
/** Workers are looked at this often, and the client hears from us. */
const BEAT_MS = 5000;
/** What a client has not taken yet; past it nothing more is read for it. */
const MAX_BUFFERED = 1024 * 1024;
/** A client that takes nothing for so long is dropped; it may come back with its cursor. */
const PATIENCE_MS = 30_000;
const TRY_AGAIN_LATER = 1013;

/** `WebSocket /v1/live`. */
export function liveRoutes(deps: Deps): Hono<Env> {
  const app = new Hono<Env>();
  app.use('/live', async (c, next) => {
    requireOwnPage(c);
    return next();
  });
  app.get(
    '/live',
    upgradeWebSocket((c: Context<Env>) => {
      const { tenant } = c.get('principal');
      let current: AbortController | undefined;
      return {
        onMessage: ({ data }, socket) => {
          const raw = socket.raw;
          if (!(raw instanceof WebSocket)) return;
          const message = readMessage(data);
          if ('error' in message) {
            send(raw, { type: 'error', message: message.error });
            return;
          }
          current?.abort();
          current = new AbortController();
          const signal = AbortSignal.any([current.signal, deps.signal]);
          const session = new LiveSession(deps, tenant, message.subscription);
          void feed(deps, { session, socket: raw, signal });
        },
        onClose: () => current?.abort(),
        onError: () => current?.abort(),
      };
    }),
  );
  return app;
}

function readMessage(data: unknown) {
  try {
    const result = liveSubscription.safeParse(JSON.parse(String(data)));
    if (result.success) return { subscription: result.data };
    return { error: `not a subscription: ${result.error.issues[0]?.message ?? 'unknown fields'}` };
  } catch {
    return { error: 'not JSON' };
  }
}

/** Tells a client until the signal aborts or it is too slow. Never rejects. */
async function feed(
  { changes, log, signal: stopping }: Deps,
  { session, socket, signal }: { session: LiveSession; socket: WebSocket; signal: AbortSignal },
): Promise<void> {
  let wake = () => {};
  let dirty = true;
  const forget = changes.onAny((ids) => {
    if (!session.concerns(ids)) return;
    dirty = true;
    wake();
  });
  try {
    while (!signal.aborted && socket.readyState === WebSocket.OPEN) {
      dirty = false;
      for await (const message of session.news()) {
        if (signal.aborted) return;
        send(socket, message);
        await drained(socket, signal);
      }
      await pause(session.followsLogs ? LOG_GATHER_MS : GATHER_MS, signal);
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      if (!dirty) await Promise.race([promise, pause(BEAT_MS, signal)]);
    }
  } catch (error) {
    if (!signal.aborted) log.info({ err: error }, 'a live client was let go');
  } finally {
    forget();
    if ((stopping.aborted || !signal.aborted) && socket.readyState === WebSocket.OPEN) {
      socket.close(TRY_AGAIN_LATER, 'come back with your cursor');
    }
  }
}

/** A client that reads slowly holds back its own news and nobody else's. */
async function drained(socket: WebSocket, signal: AbortSignal): Promise<void> {
  for (let waitedMs = 0; socket.bufferedAmount > MAX_BUFFERED; waitedMs += GATHER_MS) {
    if (waitedMs > PATIENCE_MS) {
      socket.terminate();
      throw new Error('the client takes nothing');
    }
    await pause(GATHER_MS, signal);
  }
}

function send(socket: WebSocket, message: LiveMessage): void {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}
