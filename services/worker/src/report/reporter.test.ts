import { type AttemptUpdate, attemptUpdate, jobSpec } from '@cronium/contracts';
import { eventually } from '@cronium/testing';
import { expect, test } from 'vitest';
import { ScriptedResults } from '../testing/scripted-results.ts';
import { Reporter } from './reporter.ts';
import { ResultsError } from './results-client.ts';

const never = new AbortController().signal;

function update(jobId: string, more: Partial<AttemptUpdate> = {}): AttemptUpdate {
  const spec = jobSpec.parse({ type: 'script', script: { language: 'bash', source: 'true' } });
  const payload = { v: 1, spec, tenant: 't', traceId: 'a'.repeat(32), receivedAt: 1, acceptedAt: 2 };
  const id = `job_${jobId.padStart(12, '0')}`;
  const base = {
    attemptId: `${id}.1`,
    jobId: id,
    attempt: 1,
    payload,
    day: '2026-01-01',
    node: 'n',
    state: 'running',
    timeline: [],
  };
  return attemptUpdate.parse({ ...base, ...more });
}

function reporting(
  send?: (updates: readonly AttemptUpdate[], results: ScriptedResults) => Promise<void>,
  setAsideMs?: number,
) {
  const results = new ScriptedResults();
  const sent: number[] = [];
  const superseded: string[] = [];
  const errors: unknown[] = [];
  const reporter = new Reporter({
    results: {
      sendUpdates: async (updates, signal) => {
        sent.push(updates.length);
        await send?.(updates, results);
        return results.sendUpdates(updates, signal);
      },
    },
    ...(setAsideMs !== undefined && { setAsideMs }),
    onRefusedEpoch: (attemptId, answer) => superseded.push(`${attemptId} ${answer}`),
    onError: (error) => errors.push(error),
  });
  const stopping = new AbortController();
  const running = reporter.run(stopping.signal);
  return {
    results,
    reporter,
    sent,
    superseded,
    errors,
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await running;
    },
  };
}

test('only the latest of an attempt is sent, and many attempts go together', async () => {
  await using set = reporting();
  for (let job = 0; job < 50; job++) {
    set.reporter.tell(update(String(job), { state: 'claimed' }));
    set.reporter.tell(update(String(job), { state: 'preparing' }));
  }
  await eventually(() => set.reporter.pending === 0, { what: 'all is told' });
  expect(set.sent).toEqual([50]);
  expect(set.results.updates).toHaveLength(50);
  expect(set.results.updates[0]?.state).toBe('preparing');
});

test('what is only told waits for what comes after it, and goes in the end without anybody’s waiting', async () => {
  await using set = reporting();
  set.reporter.tell(update('1', { state: 'claimed' }));
  expect(await set.reporter.confirm(update('2'), never)).toBe('stored');
  expect(await set.reporter.confirm(update('1', { state: 'succeeded', final: true }), never)).toBe('stored');
  set.reporter.tell(update('3', { state: 'running' }));
  await eventually(() => set.reporter.pending === 0, { what: 'all is told' });
  const told = set.results.updates.map(({ jobId, state }) => [Number(jobId.slice(-1)), state]);
  expect(told).toEqual([
    [2, 'running'],
    [1, 'succeeded'],
    [3, 'running'],
  ]);
});

test('all that is untold is told at the end', async () => {
  const set = reporting();
  set.reporter.tell(update('1', { state: 'claimed' }));
  await set[Symbol.asyncDispose]();
  await set.reporter.flush(never);
  expect(set.results.updates).toHaveLength(1);
});

test('results being away is no failure: it is asked again until it answers', async () => {
  await using set = reporting();
  set.results.away = true;
  const answer = set.reporter.confirm(update('1', { state: 'succeeded', final: true }), never);
  await eventually(() => set.reporter.trouble, { what: 'the trouble is known' });
  expect(set.errors).toHaveLength(1);
  set.results.away = false;
  expect(await answer).toBe('stored');
  expect(set.reporter.trouble).toBeUndefined();
});

test('an update that is refused for its content holds no other up', async () => {
  await using set = reporting(async (updates) => {
    if (updates.some(({ node }) => node === 'wrong'))
      throw new ResultsError('REFUSED', 'wrong', { status: 422 });
  });
  const stop = new AbortController();
  const refused = set.reporter.confirm(update('1', { node: 'wrong' }), stop.signal);
  expect(await set.reporter.confirm(update('2'), never)).toBe('stored');
  await eventually(() => set.errors.length > 0, { what: 'the refusal is known' });
  expect(set.errors[0]).toMatchObject({ code: 'REFUSED' });
  expect(set.reporter.pending).toBe(1);
  stop.abort(new Error('the test is over'));
  await expect(refused).rejects.toThrow('the test is over');
});

test.each([1, 3])(
  '%i updates at which results fails, for ever, hold no other up, and are stored when that is mended',
  async (count) => {
    let isMended = false;
    await using set = reporting(async (updates) => {
      const isBad = updates.some(({ node }) => node === 'wrong');
      if (isBad && !isMended) throw new ResultsError('UNAVAILABLE', 'a fault', { status: 500 });
    }, 1);
    const wrong = Array.from({ length: count }, (_, job) => update(String(job), { node: 'wrong' }));
    const told = wrong.map((one) => set.reporter.confirm(one, never));
    for (const job of ['8', '9']) expect(await set.reporter.confirm(update(job), never)).toBe('stored');
    await eventually(() => set.reporter.setAside === count, { what: 'the bad ones are set aside' });
    expect(set.reporter.pending).toBe(count);
    isMended = true;
    expect(await Promise.all(told)).toEqual(wrong.map(() => 'stored'));
    expect(set.reporter.setAside).toBe(0);
  },
);

test('an update that is alone and never answered holds no other up', async () => {
  await using set = reporting(async (updates) => {
    if (updates.length > 1) throw new ResultsError('REFUSED', 'wrong', { status: 422 });
    if (updates[0]?.node === 'wrong') throw new ResultsError('UNAVAILABLE', 'no answer in time');
  });
  const stop = new AbortController();
  const stuck = set.reporter.confirm(update('1', { node: 'wrong' }), stop.signal);
  const others = ['2', '3'].map((job) => set.reporter.confirm(update(job), never));
  // Of those that are sent alone it is the first.
  expect(await Promise.all(others)).toEqual(['stored', 'stored']);
  stop.abort(new Error('the test is over'));
  await expect(stuck).rejects.toThrow('the test is over');
});

test('a newer attempt’s existence is passed on', async () => {
  await using set = reporting();
  const stale = update('1');
  set.results.answers.set(stale.attemptId, 'stale');
  expect(await set.reporter.confirm(stale, never)).toBe('stale');
  expect(set.superseded).toEqual([`${stale.attemptId} stale`]);
});

test('an update that comes while another of the same attempt is on its way is sent too', async () => {
  const holding = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  await using set = reporting(async () => {
    arrived.resolve();
    await holding.promise;
  });
  set.reporter.tell(update('1', { state: 'claimed' }));
  await arrived.promise;
  const answer = set.reporter.confirm(update('1', { state: 'running' }), never);
  holding.resolve();
  expect(await answer).toBe('stored');
  expect(set.results.updates.map(({ state }) => state)).toEqual(['claimed', 'running']);
});
