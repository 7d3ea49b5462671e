import {
  SCHEDULE_LABEL,
  type ScheduleView,
  scheduleRecord,
  schedulesView,
  scheduleView,
} from '@cronium/contracts';
import { createLogger } from '@cronium/telemetry';
import { describe, expect, test } from 'vitest';
import { FleetQueues } from '../queue/queues.ts';
import { Scheduler } from '../schedules/scheduler.ts';
import { ScheduleStore } from '../schedules/store.ts';
import { JOB, startApp, type TestApp } from '../test/harness.ts';

const HOUR = 3_600_000;

const put = (app: TestApp, name: string, schedule: object) =>
  app.request(`/v1/schedules/${name}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ job: JOB, ...schedule }),
  });
const get = async (app: TestApp, name: string): Promise<ScheduleView> =>
  scheduleView.parse(await (await app.request(`/v1/schedules/${name}`)).json());
const labelOf = (spec: { labels: Record<string, string> }) => spec.labels[SCHEDULE_LABEL];

/** A producer's scheduler whose clock the test sets. */
function schedulerAt(app: TestApp, clock: { now: number }) {
  const { valkey, keys, prefix } = app;
  const queues = new FleetQueues({ valkey, keys, prefix, maxQueued: 1000 });
  const store = new ScheduleStore({ valkey, keys });
  const log = createLogger({ service: 'producer', level: 'silent' });
  return new Scheduler({ store, queues, log, now: () => clock.now });
}

describe('/v1/schedules', () => {
  test('are made, shown, changed, paused and removed; the audit log has it', async () => {
    await using app = await startApp();
    const made = await put(app, 'nightly', { cron: '30 2 * * *', timeZone: 'Europe/Berlin' });
    expect(made.status).toBe(200);
    expect(scheduleView.parse(await made.json())).toMatchObject({
      name: 'nightly',
      cron: '30 2 * * *',
      timeZone: 'Europe/Berlin',
      everySeconds: null,
      overlap: 'skip',
      catchUp: 'last',
      nextAt: expect.stringMatching(/T0[01]:30:00.000Z$/),
      last: null,
    });
    const { nextAt } = await get(app, 'nightly');
    await put(app, 'nightly', { cron: '30 2 * * *', timeZone: 'Europe/Berlin', overlap: 'allow' });
    expect(await get(app, 'nightly')).toMatchObject({ nextAt, overlap: 'allow' });
    await app.post('/v1/schedules/nightly/pause', {});
    expect(await get(app, 'nightly')).toMatchObject({ paused: true, nextAt: null });
    await app.post('/v1/schedules/nightly/resume', {});
    expect(await get(app, 'nightly')).toMatchObject({ paused: false, nextAt });
    const { schedules } = schedulesView.parse(await (await app.request('/v1/schedules')).json());
    expect(schedules.map(({ name }) => name)).toEqual(['nightly']);
    expect((await app.request('/v1/schedules/nightly', { method: 'DELETE' })).status).toBe(204);
    expect((await app.request('/v1/schedules/nightly')).status).toBe(404);
    expect(await app.valkey.zcard(app.keys.schedulesDue)).toBe(0);
    expect((await app.deeds()).map(({ action }) => action)).toEqual([
      ...['schedule.put', 'schedule.put', 'schedule.put', 'schedule.put', 'schedule.delete'],
    ]);
  });

  test.each([
    [{ cron: '61 * * * *' }, 'cron'],
    [{ cron: '0 0 31 2 *' }, 'cron'],
    [{}, 'cron'],
    [{ cron: '* * * * *', everySeconds: 5 }, 'cron'],
    [{ cron: '* * * * *', timeZone: 'Mars/Olympus' }, 'timeZone'],
    [{ everySeconds: 0 }, 'everySeconds'],
    [{ everySeconds: 60, job: { ...JOB, delaySeconds: 5 } }, 'job'],
    [{ everySeconds: 60, job: { type: 'script' } }, 'job.script'],
    [{ everySeconds: 60, often: true }, 'often'],
  ])('%j is refused at %s', async (schedule, path) => {
    await using app = await startApp();
    const answer = await put(app, 'bad', schedule);
    expect(answer.status).toBe(422);
    const { errors } = (await answer.json()) as { errors: { path: string }[] };
    expect(errors.map((error) => error.path)).toContain(path);
  });
});

test('a name that cannot be is refused with what a name may hold', async () => {
  await using app = await startApp();
  const answer = await put(app, 'bad%20name', { everySeconds: 60 });
  expect(answer.status).toBe(422);
  const { errors } = (await answer.json()) as { errors: { path: string; message: string }[] };
  expect(errors).toEqual([{ path: 'name', message: expect.stringContaining('letters, digits, dots') }]);
  expect((await app.request('/v1/schedules/bad%20name')).status).toBe(404);
});

describe('a schedule', () => {
  test('starts its job once at each time, however many producers look, also after a crash in between', async () => {
    await using app = await startApp();
    await put(app, 'hourly', { everySeconds: 3600, overlap: 'allow' });
    const clock = { now: Date.now() };
    const producers = [1, 2, 3].map(() => schedulerAt(app, clock));
    const lookAll = () => Promise.all(producers.map((producer) => producer.look()));
    await lookAll();
    expect((await app.payloads()).size).toBe(0);
    clock.now += HOUR;
    const before = await app.valkey.hgetall(app.keys.schedules);
    await lookAll();
    expect((await app.payloads()).size).toBe(1);
    // A producer that died before it noted the next time: the record is as it was.
    await app.valkey.hset(app.keys.schedules, before);
    for (const [field, text] of Object.entries(before)) {
      await app.valkey.zadd(app.keys.schedulesDue, scheduleRecord.parse(JSON.parse(text)).nextAt ?? 0, field);
    }
    await lookAll();
    expect((await app.payloads()).size).toBe(1);
    clock.now += HOUR;
    await lookAll();
    const payloads = [...(await app.payloads()).values()];
    expect(payloads).toHaveLength(2);
    expect(payloads.map(({ spec }) => labelOf(spec))).toEqual(['hourly', 'hourly']);
  });

  test.each([
    ['none', 0],
    ['last', 1],
    ['all', 5],
  ])('with catchUp %s an absence of five hours gives %i jobs', async (catchUp, expected) => {
    await using app = await startApp();
    await put(app, 'hourly', { everySeconds: 3600, overlap: 'allow', catchUp });
    const clock = { now: Date.now() + 5.5 * HOUR };
    const producer = schedulerAt(app, clock);
    await producer.look();
    await producer.look();
    expect((await app.payloads()).size).toBe(expected);
    expect(Date.parse((await get(app, 'hourly')).nextAt ?? '')).toBeGreaterThan(clock.now);
  });

  test('whose last job has not ended skips, or cancels that one; with allow both run', async () => {
    await using app = await startApp();
    for (const overlap of ['skip', 'cancel_previous', 'allow']) {
      await put(app, overlap, { everySeconds: 3600, overlap });
    }
    const clock = { now: Date.now() + HOUR };
    const producer = schedulerAt(app, clock);
    await producer.look();
    const first = (await get(app, 'cancel_previous')).last?.jobId ?? '';
    clock.now += HOUR;
    await producer.look();
    const jobs = [...(await app.payloads()).values()].map(({ spec }) => labelOf(spec)).sort();
    expect(jobs).toEqual(['allow', 'allow', 'cancel_previous', 'cancel_previous', 'skip']);
    expect(await get(app, 'skip')).toMatchObject({
      last: { result: 'skipped', detail: expect.stringContaining('has not ended') },
    });
    expect(JSON.parse((await app.valkey.get(app.keys.cancel(first))) ?? '')).toMatchObject({
      by: 'the schedule cancel_previous',
    });
  });

  test('that was removed while it was run stays removed; a paused one starts nothing', async () => {
    await using app = await startApp();
    const clock = { now: Date.now() + 2 * HOUR };
    await put(app, 'gone', { everySeconds: 3600 });
    const store = new ScheduleStore(app);
    const stored = await store.get({ tenant: 'default', name: 'gone' });
    if (stored === undefined) throw new Error('the schedule is not there');
    await app.request('/v1/schedules/gone', { method: 'DELETE' });
    expect(await store.replace(stored, { ...stored.record, nextAt: clock.now })).toBe(false);
    await put(app, 'still', { everySeconds: 3600, paused: true });
    await schedulerAt(app, clock).look();
    expect((await app.payloads()).size).toBe(0);
  });
});
