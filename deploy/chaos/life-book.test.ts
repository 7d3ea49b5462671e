import { expect, test } from 'vitest';
import { type ContainerEvent, LifeBook, launchesIn } from './life-book.ts';

const JOB = 'job_0123456789ab';
const STARTED = '1970-01-01T00:00:00.001Z';

const event = (Action: string, ms: number): ContainerEvent => ({
  Action,
  timeNano: ms * 1e6,
  Actor: { ID: 'c' },
});

/** The life of attempt 1, whose program was sent at 10 ms. */
function lifeOf(...events: readonly ContainerEvent[]) {
  const book = new LifeBook('n');
  for (const one of events) book.take(one);
  return book.livesOf([{ attemptId: `${JOB}.1`, containerId: 'c', atMs: 10 }]);
}

test('a container lives from when its program is sent until it dies, whatever it is called', () => {
  const events = [event('start', 1), event('rename', 260), event('die', 300)];
  const life = { jobId: JOB, attemptId: `${JOB}.1`, node: 'n', startedMs: 10, endedMs: 300, frozen: [] };
  expect(lifeOf(...events)).toMatchObject([life]);
});

test('a container that got no program lives no life', () => {
  const book = new LifeBook('n');
  book.take(event('start', 1));
  expect(book.livesOf([])).toEqual([]);
});

test('one that is let go on runs again; one that is killed while it stands still does not', () => {
  const still = [event('start', 1), event('pause', 100)];
  expect(lifeOf(...still, event('unpause', 200), event('kill', 250))).toMatchObject([
    { frozen: [{ fromMs: 100, toMs: 200 }] },
  ]);
  // So Docker tells of it: it lets the container go on to die, and does not say so.
  const killed = lifeOf(...still, event('kill', 200), event('die', 230), event('destroy', 320));
  expect(killed).toMatchObject([{ frozen: [{ fromMs: 100, toMs: Infinity }], endedMs: 230 }]);
});

test('what is seen tells what the events did not: a standstill, its end, the end', () => {
  const book = new LifeBook('n');
  const launches = [{ attemptId: `${JOB}.1`, containerId: 'c', atMs: 10 }];
  const state = { Running: true, Paused: true, StartedAt: STARTED, FinishedAt: '0001-01-01T00:00:00Z' };
  book.see('c', state, 100);
  // Told late, and again after the daemon was asked anew.
  book.take(event('pause', 90));
  expect(book.livesOf(launches)).toMatchObject([{ frozen: [{ fromMs: 90, toMs: Infinity }] }]);
  book.see('c', { ...state, Paused: false }, 120);
  expect(book.livesOf(launches)).toMatchObject([{ frozen: [{ fromMs: 90, toMs: 120 }] }]);
  book.see('c', { ...state, Running: false, Paused: false, FinishedAt: '1970-01-01T00:00:00.150Z' }, 200);
  expect(book.livesOf(launches)).toMatchObject([{ endedMs: 150, endUncertain: false }]);
});

test('one that is gone when its daemon is back has lived for as long as it was known to', () => {
  const book = new LifeBook('n');
  book.take(event('start', 5));
  book.take(event('pause', 40));
  book.seenAll(new Set());
  expect(book.livesOf([{ attemptId: `${JOB}.1`, containerId: 'c', atMs: 10 }])).toMatchObject([
    { endedMs: 40, endUncertain: true },
  ]);
});

test('a worker’s lines tell which attempt got which container, and when', () => {
  const line = `{"level":"debug","time":"1970-01-01T00:00:00.010Z","attempt":"${JOB}.1","container":"c","msg":"sending the program"}`;
  expect(launchesIn(['{"msg":"listening"}', 'no JSON', line])).toEqual([
    { attemptId: `${JOB}.1`, containerId: 'c', atMs: 10 },
  ]);
});

test('a turn in a shared container ends before the container does, where its worker saw that', () => {
  const line = (msg: string, attempt: string, ms: number) =>
    JSON.stringify({ msg, time: new Date(ms).toISOString(), attempt, container: 'c' });
  const other = 'job_ba9876543210.1';
  const launches = launchesIn([
    line('sending the program', `${JOB}.1`, 10),
    line('the turn is over', `${JOB}.1`, 40),
    line('sending the program', other, 50),
  ]);
  const book = new LifeBook('n');
  book.take(event('start', 1));
  book.take(event('die', 90));
  expect(book.livesOf(launches)).toMatchObject([
    { attemptId: `${JOB}.1`, startedMs: 10, endedMs: 40 },
    { attemptId: other, startedMs: 50, endedMs: 90 },
  ]);
});
