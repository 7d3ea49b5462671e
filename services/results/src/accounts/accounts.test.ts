import type { AccountsView } from '@cronium/contracts';
import { eventually } from '@cronium/testing';
import { expect, test } from 'vitest';
import { ingestAttempts } from '../ingest/attempts.ts';
import { newJob } from '../ingest/payload.ts';
import { insertJobs } from '../queries/jobs-write.ts';
import { newJobId, payloadOf, successOf, updateOf } from '../test/fleet.ts';
import { bodyOf, openService, type TestService } from '../test/service.ts';
import { balanceAccounts } from './accounts.ts';

/** Accounts of which the second look comes soon. */
const balance = ({ deps }: TestService): Promise<AccountsView> => balanceAccounts(deps, 20);

async function knows(service: TestService, id: string): Promise<void> {
  await insertJobs(service.deps.db, [newJob(id, payloadOf(id) as never)]);
}

/** The node says that its Docker runs these attempts. */
function answersCensus(
  service: TestService,
  node: string,
  attemptIds: readonly string[],
): Promise<AsyncDisposable> {
  const { valkey, keys } = service.deps;
  const listener = valkey.duplicate({ lazyConnect: true, enableOfflineQueue: true });
  listener.on('message', (_, text: string) => {
    const { type, census } = JSON.parse(text);
    if (type !== 'census') return;
    const sandboxes = attemptIds.map((id) => ({ jobId: id.split('.')[0], attemptId: id, running: true }));
    valkey.hset(keys.census, node, JSON.stringify({ census, at: Date.now(), sandboxes }));
  });
  return listener.subscribe(keys.control).then(() => ({
    [Symbol.asyncDispose]: async () => listener.disconnect(),
  }));
}

test('waiting, running and ended jobs are each counted once, and the accounts balance', async () => {
  await using service = await openService();
  const { fleet, deps } = service;
  const [waits, runs, ended] = [newJobId(), newJobId(), newJobId()];
  for (const id of [waits, runs]) {
    await fleet.submit(id, payloadOf(id), { announce: false });
    await knows(service, id);
  }
  await ingestAttempts(deps.db, successOf(ended));
  const queue = fleet.queue('default');
  await using worker = await fleet.claimer('default');
  await worker.take();
  await using _ = await answersCensus(service, 'n1', []);
  expect(await balance(service)).toMatchObject({
    ...{ balanced: true, accepted: 3, ended: 1, waiting: 1, running: 1, discrepancies: [] },
    nodes: [{ node: 'n1', answered: true, containers: 0 }],
  });
  expect(await queue.getActiveCount()).toBe(1);
});

test('each discrepancy is named', async () => {
  await using service = await openService();
  const { fleet, deps } = service;
  const [forgotten, stranger, ended, running] = [newJobId(), newJobId(), newJobId(), newJobId()];
  await knows(service, forgotten);
  await fleet.submit(stranger, payloadOf(stranger), { announce: false });
  await ingestAttempts(deps.db, successOf(ended));
  await fleet.submit(ended, payloadOf(ended), { announce: false });
  await fleet.submit(running, payloadOf(running), { announce: false });
  await ingestAttempts(deps.db, [
    updateOf(running, 2, {
      state: 'running',
      timeline: [
        { moment: 'claimed', at: 1 },
        { moment: 'main_started', at: 2 },
      ],
    }),
  ]);
  await fleet.heartbeat({ node: 'n2' });
  await using _ = await answersCensus(service, 'n1', [`${ended}.1`, `${running}.1`]);
  const { balanced, discrepancies } = await balance(service);
  expect(balanced).toBe(false);
  const named = discrepancies.map(({ kind, jobId, node }) => [kind, jobId ?? node]);
  expect(named.sort()).toEqual(
    [
      ['forgotten', forgotten],
      ['unannounced', stranger],
      ['ended_in_queue', ended],
      ['unowned_container', ended],
      ['unowned_container', running],
      ['missing_container', running],
      ['silent_node', 'n2'],
    ].sort(),
  );
});

test('two containers of one job are named with their nodes', async () => {
  await using service = await openService();
  const id = newJobId();
  await using _ = await answersCensus(service, 'n1', [`${id}.1`, `${id}.2`]);
  const { discrepancies } = await balance(service);
  expect(discrepancies).toMatchObject([{ kind: 'two_containers', jobId: id }]);
});

test('what looked wrong only for a moment is no discrepancy', async () => {
  await using service = await openService();
  const id = newJobId();
  await knows(service, id);
  await using _ = await answersCensus(service, 'n1', []);
  const accounts = balanceAccounts(service.deps, 300);
  await eventually(() => service.deps.valkey.hexists(service.deps.keys.census, 'n1').then(Boolean), {
    what: 'the first look has begun',
  });
  await service.fleet.submit(id, payloadOf(id), { announce: false });
  expect(await accounts).toMatchObject({ balanced: true, accepted: 1, waiting: 1 });
});

test('the accounts are for admins', async () => {
  await using service = await openService();
  await service.send('POST', '/v1/api-keys', { name: 'reader', role: 'reader' });
  const made = await bodyOf<{ key: string }>(
    service.send('POST', '/v1/api-keys', { name: 'r2', role: 'reader' }),
  );
  const asReader = await service.get('/v1/accounts', { authorization: `Bearer ${made.key}` });
  expect(asReader.status).toBe(403);
  await using _ = await answersCensus(service, 'n1', []);
  expect(await bodyOf(service.get('/v1/accounts'))).toMatchObject({ balanced: true, accepted: 0 });
});
