import { isTerminal, type JobState, needsOf, serves, type WhyView } from '@cronium/contracts';
import { Hono } from 'hono';
import type { Deps } from '../deps.ts';
import type { Env } from '../http/auth.ts';
import type { JobRow } from '../queries/jobs-read.ts';
import { type KnownNode, knownNodes } from '../queue/nodes.ts';
import { locateJob } from './locate.ts';
import { isoTime } from './views.ts';

/** `GET /v1/jobs/{id}/why`: why a job is where it is, in a sentence, with the facts behind it. */
export function whyRoutes(deps: Deps): Hono<Env> {
  const app = new Hono<Env>();
  app.get('/:id/why', async (c) => {
    const job = await locateJob(deps, c.get('principal').tenant, c.req.param('id'));
    return c.json(await explain(deps, job));
  });
  return app;
}

type Explanation = Omit<WhyView, 'state'>;

async function explain(deps: Deps, job: JobRow): Promise<WhyView> {
  const state = job.state as JobState;
  if (isTerminal(state)) return { state, ...explainEnd(job) };
  if (state === 'queued') return { state, ...(await explainWait(deps, job)) };
  const facts = { node: job.node, attempt: job.attempt, startedAt: isoTime(job.started_ms) };
  return { state, explanation: `Attempt ${job.attempt} is ${state} on ${job.node ?? 'a node'}.`, facts };
}

function explainEnd(job: JobRow): Explanation {
  const facts = { cause: job.cause, exitCode: job.exit_code, attempts: job.attempt, node: job.node };
  if (job.state === 'succeeded') {
    return { explanation: `It succeeded with attempt ${job.attempt}.`, facts };
  }
  return { explanation: job.message ?? `It ended as ${job.state}.`, facts };
}

async function explainWait(deps: Deps, job: JobRow): Promise<Explanation> {
  const { queues, valkey, keys } = deps;
  const queued = await queues.find(job.id);
  if (queued === undefined) {
    const explanation =
      'It is in no queue: a worker has just ended it, or its last news are still on their way.';
    return { explanation, facts: { queue: null } };
  }
  const record = (await queues.registered()).get(queued.queue) ?? { pool: job.pool, requires: {} };
  const place = await queues.place(queued.queue, job.id);
  const facts = { queue: queued.queue, place, pool: record.pool, requires: record.requires };
  if (place === 'active') {
    return { explanation: 'A worker has taken it and has not reported yet.', facts };
  }
  if (place === 'delayed') return explainDelay(deps, job, facts);
  if ((await valkey.sismember(keys.pausedPools, record.pool)) === 1) {
    return {
      explanation: `The pool ${record.pool} is paused; let it go on with: cronium unpause ${record.pool}`,
      facts,
    };
  }
  const nodes = await knownNodes(valkey, keys);
  return explainNodes(
    nodes.filter((node) => serves(node, record)),
    facts,
  );
}

async function explainDelay({ queues }: Deps, job: JobRow, facts: Place): Promise<Explanation> {
  const queued = await queues.queue(facts.queue).getJob(job.id);
  const until = job.next_run_ms ?? (queued === undefined ? null : queued.timestamp + queued.delay);
  const reason = job.attempt > 0 ? `after attempt ${job.attempt}` : 'as it was submitted';
  return {
    explanation: `It is delayed until ${isoTime(until) ?? 'later'}, ${reason}.`,
    facts: { ...facts, until: isoTime(until) },
  };
}

/** Where a waiting job stands. */
interface Place {
  readonly queue: string;
  readonly place: string;
  readonly pool: string;
  readonly requires: Readonly<Record<string, string>>;
}

function explainNodes(nodes: readonly KnownNode[], facts: Place): Explanation {
  const wants = wordsOf(facts);
  const seen = nodes.map(({ node, state, drained, slots, busy, reasons }) => ({
    node,
    state,
    drained,
    slots,
    busy,
    reasons,
  }));
  const all = { ...facts, nodes: seen };
  if (nodes.length === 0) {
    const offer = needsOf(facts).services.length > 0 ? ', set CRONIUM_SERVICES of one' : '';
    return { explanation: `No worker serves ${wants}; start one${offer}, or change the job.`, facts: all };
  }
  const ready = nodes.filter(({ state, drained }) => state === 'ready' && !drained);
  if (ready.length === 0) {
    const each = nodes.map(({ node, state, drained, reasons }) => {
      const why = reasons.length > 0 ? ` (${reasons.join('; ')})` : '';
      return `${node} is ${drained ? 'draining' : state}${why}`;
    });
    return { explanation: `No worker that serves ${wants} takes jobs now: ${each.join(', ')}.`, facts: all };
  }
  const slots = ready.reduce((sum, node) => sum + node.slots, 0);
  const busy = ready.reduce((sum, node) => sum + node.busy, 0);
  if (busy >= slots) {
    return { explanation: `All ${slots} slots of the workers that serve ${wants} are busy.`, facts: all };
  }
  return {
    explanation: `${slots - busy} slots are free for ${wants}: a worker will take it at any moment.`,
    facts: all,
  };
}

/** What a job that waits there needs of a node. */
function wordsOf(facts: Place): string {
  const { labels, services } = needsOf(facts);
  const word = services.length === 1 ? 'service' : 'services';
  const parts = [
    ...(Object.keys(labels).length > 0 ? [JSON.stringify(labels)] : []),
    ...(services.length > 0 ? [`the ${word} ${services.join(', ')}`] : []),
  ];
  return `pool ${facts.pool}${parts.length > 0 ? ` with ${parts.join(' and ')}` : ''}`;
}
