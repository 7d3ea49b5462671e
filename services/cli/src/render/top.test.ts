import type { JobSummary } from '@cronium/contracts';
import { expect, test } from 'vitest';
import { columnsOf, noPaint } from './paint.ts';
import { type TopView, topLines } from './top.ts';

const now = Date.UTC(2026, 0, 1, 12, 0, 0);
const job = (n: number, more: Partial<JobSummary> = {}): JobSummary => ({
  id: `job_${String(n).padStart(12, '0')}`,
  name: `resize ${n}`,
  type: 'script',
  state: 'running',
  pool: 'default',
  batchId: null,
  labels: {},
  attempts: 1,
  exitCode: null,
  cause: null,
  node: 'a',
  traceId: '0'.repeat(32),
  acceptedAt: '2026-01-01T11:59:00.000Z',
  startedAt: '2026-01-01T11:59:50.000Z',
  endedAt: null,
  runMs: null,
  ...more,
});
const worker = (node: string, more: object = {}): TopView['workers'][number] => ({
  node,
  state: 'ready',
  reasons: [],
  version: '1',
  pools: ['default'],
  labels: {},
  slots: 4,
  busy: 2,
  images: [],
  services: [],
  docker: null,
  startedAt: null,
  lastSeenAt: '2026-01-01T11:59:58.000Z',
  ...more,
});
const view = (more: Partial<TopView> = {}): TopView => ({
  workers: [worker('a'), worker('b', { state: 'not_ready', reasons: ['Docker does not answer'] })],
  queues: [
    {
      name: 'default',
      pool: 'default',
      requires: {},
      paused: false,
      waiting: 120,
      delayed: 3,
      active: 2,
      oldestSeconds: 75,
    },
  ],
  running: Array.from({ length: 40 }, (_, n) => job(n)),
  failed: [job(90, { state: 'failed', cause: 'oom', endedAt: '2026-01-01T11:59:55.000Z', runMs: 4200 })],
  hasMore: { running: false, failed: false },
  missing: [],
  ...more,
});
const lines = (from: TopView, height: number, width = 100) =>
  topLines(from, { width, height, paint: noPaint, nowMs: now });

test('shows totals, nodes with their reasons, queues, running and failed jobs', () => {
  const text = lines(view(), 100).join('\n');
  expect(text).toContain(
    '1/2 nodes ready · 4/4 slots taken · 120 waiting, the oldest for 1 m 15 s · 3 delayed',
  );
  expect(text).toMatch(/b +not_ready +█████░░░░░ 2\/4 .*Docker does not answer/);
  expect(text).toMatch(/RUNNING \(40\)/);
  expect(text).toMatch(/job_000000000090 +resize 90 +failed +oom +a +4\.20 s$/m);
});

test.each([12, 20, 30])('fits a screen of %i lines and says what it leaves out', (height) => {
  const shown = lines(view(), height, 80);
  expect(shown.length).toBeLessThanOrEqual(height);
  expect(shown.every((line) => columnsOf(line) <= 80)).toBe(true);
  expect(shown.join('\n')).toMatch(/… and \d+ more/);
});

test('names what could not be read', () => {
  const away = view({
    workers: [],
    queues: [],
    running: [],
    failed: [],
    missing: ['nodes: cannot be reached'],
  });
  expect(lines(away, 20)).toEqual([expect.stringContaining('0/0 nodes ready'), 'nodes: cannot be reached']);
});

test('of failed jobs the newest few are shown, and that there are more than were read', () => {
  const failed = Array.from({ length: 100 }, (_, n) => job(n, { state: 'failed' }));
  const hasMore = { running: false, failed: true };
  const shown = lines(view({ running: [], failed, hasMore }), Number.POSITIVE_INFINITY);
  expect(shown).toContain('FAILED (100+)');
  expect(shown.slice(-2)).toEqual([expect.stringMatching(/^job_000000000009 /), '… and 90+ more']);
  expect(lines(view({ running: [], failed: failed.slice(0, 11) }), 100).at(-1)).toBe('… and 1 more');
});

test('a queue is named by its pool and what its jobs need', () => {
  const queues = view().queues.map((queue) => ({
    ...queue,
    name: 'x.1f2e',
    requires: { 'service:db': 'true' },
  }));
  const shown = lines(view({ queues }), 100);
  expect(shown.join('\n')).toMatch(/^QUEUE .*\ndefault service:db=true +open +120/m);
});
