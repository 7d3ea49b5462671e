import { randomUUID } from 'node:crypto';
import type { ControlMessage, ReconcileView, WorkersView } from '@cronium/contracts';
import { requireRole } from '@cronium/http';
import { retry } from '@cronium/lifecycle';
import { type Context, Hono } from 'hono';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { Deps } from '../deps.ts';
import { audit } from '../http/audit.ts';
import type { Env } from '../http/auth.ts';
import { problems } from '../http/problems.ts';
import { type KnownNode, knownNodes } from '../queue/nodes.ts';
import { isoTime } from './views.ts';

/** `/v1/workers`: the nodes of the fleet, and the wish that one takes nothing new. */
export function workerRoutes(deps: Deps): Hono<Env> {
  const { valkey, keys } = deps;
  const app = new Hono<Env>();
  app.get('/', async (c) => {
    const view: WorkersView = { workers: (await knownNodes(valkey, keys)).map(toWorker) };
    return c.json(view);
  });
  app.post('/:node/drain', (c) => wish(deps, c, 'drain'));
  app.post('/:node/resume', (c) => wish(deps, c, 'resume'));
  app.post('/:node/reconcile', (c) => reconcile(deps, c));
  return app;
}

const ANSWER_MS = 30_000;
const LOOK_EVERY_MS = 100;

/** Asks the node what in its Docker belongs to no attempt, and waits for its answer. */
async function reconcile({ db, valkey, keys }: Deps, c: Context<Env>): Promise<Response> {
  requireRole(c.get('principal'), 'admin');
  const node = c.req.param('node') ?? '';
  const dryRun = c.req.query('dryRun') === 'true';
  const known = (await knownNodes(valkey, keys)).find((one) => one.node === node);
  if (known === undefined) throw problems.notFound(`worker ${node.slice(0, 100)}`);
  const message: ControlMessage = { type: 'reconcile', node, dryRun, question: randomUUID() };
  await valkey.publish(keys.control, JSON.stringify(message));
  if (!dryRun) await audit({ db }, c, { action: 'worker.reconcile', target: node });
  const limit = AbortSignal.any([c.req.raw.signal, AbortSignal.timeout(ANSWER_MS)]);
  const answer = await retry(() => theAnswer(valkey, keys.answer(message.question)), {
    signal: limit,
    attempts: Number.POSITIVE_INFINITY,
    baseMs: LOOK_EVERY_MS,
    maxMs: LOOK_EVERY_MS,
  }).catch(() => {
    throw problems.workerSilent(node, ANSWER_MS / 1000);
  });
  const view: ReconcileView = { node, dryRun, orphans: z.array(z.string()).parse(JSON.parse(answer)) };
  return c.json(view);
}

async function theAnswer(valkey: Redis, key: string): Promise<string> {
  const answer = await valkey.get(key);
  if (answer === null) throw new Error('no answer yet');
  return answer;
}

/** The key is what counts; the message makes it quick. */
async function wish(
  { db, valkey, keys }: Deps,
  c: Context<Env>,
  type: 'drain' | 'resume',
): Promise<Response> {
  requireRole(c.get('principal'), 'admin');
  const node = c.req.param('node') ?? '';
  if ((await valkey.hexists(keys.nodes, node)) === 0) throw problems.notFound(`worker ${node.slice(0, 100)}`);
  if (type === 'drain') await valkey.hset(keys.drains, node, 'drain');
  else await valkey.hdel(keys.drains, node);
  const message: ControlMessage = { type, node };
  await valkey.publish(keys.control, JSON.stringify(message));
  await audit({ db }, c, { action: `worker.${type}`, target: node });
  return c.json({ node, drained: type === 'drain' });
}

/** A node as the API shows it. */
export function toWorker(node: KnownNode): WorkersView['workers'][number] {
  return {
    node: node.node,
    state: node.drained && node.state === 'ready' ? 'draining' : node.state,
    reasons: node.reasons,
    version: node.version,
    pools: node.pools,
    labels: node.labels,
    slots: node.slots,
    busy: node.busy,
    images: node.images,
    services: node.services ?? [],
    docker: node.docker ?? null,
    startedAt: isoTime(node.startedAt),
    lastSeenAt: isoTime(node.seenAt),
  };
}
