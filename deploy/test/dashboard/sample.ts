import { type DeathCause, newBatchId, spanIdFor } from '@cronium/contracts';
import { makeSchedules, playFlow } from './planned.ts';
import { type ScriptedPayload, timelineFrom } from './scripted-node.ts';
import type { Stage } from './stage.ts';
import { KEY } from './stage.ts';

const MINUTE_MS = 60_000;
const NAMES = [
  'import customers',
  'resize photos',
  'nightly report',
  'send invoices',
  'train model',
  'sync stock',
];

/** What {@link playSample} left for the pages to show. */
export interface Sample {
  readonly batchId: string;
  readonly flowId: string;
  readonly running: ScriptedPayload;
  readonly failed: ScriptedPayload;
  readonly succeeded: ScriptedPayload;
}

/** An hour of a small fleet: jobs that ended well and not, a batch, a running job, a trace with spans of the job's own. */
export async function playSample(stage: Stage): Promise<Sample> {
  const { node } = stage;
  await node.heartbeat({ node: 'node-2', slots: 8, busy: 8, labels: { gpu: 'true', zone: 'b' }, keys: [] });
  await node.heartbeat({
    node: 'node-3',
    state: 'not_ready',
    reasons: ['Docker does not answer'],
    busy: 0,
    keys: [],
  });
  await node.heartbeat({ node: 'node-4', seenAt: Date.now() - 10 * MINUTE_MS, keys: [] });
  await makeSchedules(stage);
  const flowId = await playFlow(stage);
  const batchId = newBatchId();
  await node.announceBatch(batchId, 'november import', 60);
  for (let index = 0; index < 120; index++) await playJob(stage, index, index < 40 ? batchId : undefined);
  const failed = await playFailure(stage, batchId);
  const succeeded = await playTraced(stage);
  const running = node.payload({
    name: 'train model',
    spec: { labels: { team: 'ml', stage: 'production-europe' } },
  });
  await node.report(running);
  await node.storeArtifact(running.id, 'models/epoch 1.csv', 'epoch,loss\n1,0.4821\n');
  await node.writeLog(running.id, [
    { text: '\u001b[1mEpoch 1/10\u001b[0m' },
    { text: 'loss \u001b[33m0.4821\u001b[0m accuracy \u001b[32m0.871\u001b[0m' },
    { text: '\u001b[31mwarning:\u001b[0m learning rate is high', stream: 'stderr' },
  ]);
  await stage.client.settings.putVariable('report/last-run', { value: { day: '2026-11-20', rows: 1842 } });
  await stage.client.settings.putSecret('SMTP_PASSWORD', 'not shown');
  await stage.client.settings.createApiKey({ name: 'ci', role: 'submitter' });
  return { batchId, flowId, running, failed, succeeded };
}

/** Without chance: the same hour each time. */
function spread(index: number, of: number): number {
  return (index * 7919) % of;
}

async function playJob({ node }: Stage, index: number, batchId: string | undefined): Promise<void> {
  const acceptedAt = Date.now() - 2 * MINUTE_MS - spread(index, 55) * MINUTE_MS - spread(index, 59) * 1000;
  const job = node.payload({
    name: `${NAMES[index % NAMES.length]} ${index}`,
    acceptedAt,
    spec: { labels: { team: ['data', 'web', 'ml'][index % 3] ?? 'data' } },
    ...(batchId !== undefined && { batchId, line: index + 1 }),
  });
  const bad = index % 11 === 5;
  const cause: DeathCause = index % 3 === 0 ? 'oom' : 'exit';
  const timeline = timelineFrom(acceptedAt + 200 + spread(index, 900), 'teardown_ended');
  await node.report(job, {
    timeline,
    final: true,
    state: bad ? 'failed' : 'succeeded',
    outcome: bad
      ? {
          state: 'failed',
          exitCode: cause === 'oom' ? 137 : 1,
          death: deathOf(cause, timeline.at(-1)?.at ?? 0),
        }
      : { state: 'succeeded', exitCode: 0, death: null },
  });
}

function deathOf(cause: DeathCause, at: number) {
  const oom = cause === 'oom';
  return {
    attempt: 1,
    cause,
    certainty: 'certain' as const,
    phase: 'main' as const,
    exitCode: oom ? 137 : 1,
    signal: oom ? 'SIGKILL' : null,
    message: oom
      ? 'The kernel killed the main process because the job used more than its 512 MiB of memory. Give it more with resources.memoryMiB, or make it use less.'
      : 'The script exited with 1. Its last line was: KeyError: "customer_id".',
    evidence: {
      events: [],
      logTail: ['Traceback (most recent call last):', 'KeyError: "customer_id"'],
      host: {},
      ...(oom && {
        oomKilled: true,
        oomKills: 1,
        memoryPeakBytes: 536_870_912,
        memoryLimitBytes: 536_870_912,
      }),
    },
    at: new Date(at).toISOString(),
  };
}

async function playFailure({ node }: Stage, batchId: string): Promise<ScriptedPayload> {
  const acceptedAt = Date.now() - 90_000;
  const job = node.payload({ name: 'nightly report', acceptedAt, batchId, line: 41 });
  const first = timelineFrom(acceptedAt + 300, 'teardown_ended');
  const second = timelineFrom(acceptedAt + 8000, 'teardown_ended');
  const death = deathOf('oom', second.at(-1)?.at ?? 0);
  const outcome = { state: 'failed', exitCode: 137 } as const;
  await node.report(job, { timeline: first, state: 'queued', outcome: { ...outcome, death } });
  await node.writeLog(job.id, [{ text: 'loading 1,204,113 rows' }], { last: true });
  await node.report(job, {
    attempt: 2,
    timeline: second,
    state: 'failed',
    final: true,
    outcome: { ...outcome, death: { ...death, attempt: 2 } },
  });
  await node.writeLog(job.id, [{ text: 'loading 1,204,113 rows' }, { text: 'Killed', stream: 'stderr' }], {
    attempt: 2,
    last: true,
  });
  return job;
}

/** A job that sent spans of its own. */
async function playTraced({ node, resultsUrl }: Stage): Promise<ScriptedPayload> {
  const acceptedAt = Date.now() - 50_000;
  const job = node.payload({ name: 'send invoices', acceptedAt, spec: { labels: { team: 'billing' } } });
  const timeline = timelineFrom(acceptedAt + 120, 'teardown_ended');
  const started = timeline.find(({ moment }) => moment === 'main_started')?.at ?? acceptedAt;
  await node.report(job, {
    timeline,
    final: true,
    state: 'succeeded',
    outcome: { state: 'succeeded', exitCode: 0, death: null },
  });
  await node.writeLog(
    job.id,
    Array.from({ length: 60 }, (_, line) => ({ text: `invoice ${line + 1} sent`, at: started + line * 20 })),
    { last: true },
  );
  const response = await fetch(`${resultsUrl}/v1/traces`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify(otlpSpans(job, started)),
  });
  if (!response.ok) throw new Error(`the spans were refused: ${await response.text()}`);
  return job;
}

function otlpSpans({ id, payload }: ScriptedPayload, started: number) {
  const run = spanIdFor(`${id}.1`, 'run');
  const nanos = (ms: number) => String(Math.round(ms * 1e6));
  const names = ['load customers', 'render invoices', 'POST /v1/mail'];
  const spans = names.map((name, index) => ({
    traceId: payload.traceId,
    spanId: `00000000000000a${index}`,
    parentSpanId: index === 2 ? '00000000000000a1' : run,
    name,
    kind: index === 2 ? 3 : 1,
    startTimeUnixNano: nanos(started + 60 + index * 380),
    endTimeUnixNano: nanos(started + 420 + index * 430),
    attributes: [{ key: 'invoice.count', value: { intValue: '60' } }],
    status: {},
  }));
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'billing' } }] };
  return { resourceSpans: [{ resource, scopeSpans: [{ spans }] }] };
}
