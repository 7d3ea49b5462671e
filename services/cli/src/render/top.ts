import type { JobSummary, QueueCounts, WorkersView } from '@cronium/contracts';
import { ago, duration, ran } from './duration.ts';
import { columnsOf, type Paint, padTo, paintState } from './paint.ts';
import { queueColumns } from './queues.ts';
import { type Column, table } from './table.ts';

/** What `cronium top` shows. */
export interface TopView {
  readonly workers: WorkersView['workers'];
  readonly queues: QueueCounts['queues'];
  readonly running: readonly JobSummary[];
  /** That ended badly, newest first. */
  readonly failed: readonly JobSummary[];
  /** Of which there are more than were read. */
  readonly hasMore: { readonly running: boolean; readonly failed: boolean };
  /** What could not be read, and why. */
  readonly missing: readonly string[];
}

export interface TopOptions {
  readonly width: number;
  readonly height: number;
  readonly paint: Paint;
  readonly nowMs: number;
}

const MIN_ROWS = 2;
const MOST_FAILED = 10;

/** The lines of a screen: totals, nodes, queues, running and failed jobs, each cut to its share of the height. */
export function topLines(view: TopView, options: TopOptions): string[] {
  const { paint } = options;
  const head = [totals(view, options), ...view.missing.map((text) => paint('red', text))];
  const sections = [
    section('NODES', nodeTable(view, options)),
    section('QUEUES', queueTable(view, options)),
    section('RUNNING', jobTable(view.running, options), { hasMore: view.hasMore.running }),
    section('FAILED', jobTable(view.failed, options), { hasMore: view.hasMore.failed, most: MOST_FAILED }),
  ].filter(({ lines }) => lines.length > 1);
  const room = options.height - head.length - sections.length * 2;
  const sizes = shares(
    sections.map(({ lines, isCut }) => lines.length + (isCut ? 1 : 0)),
    room,
  );
  return [
    ...head,
    ...sections.flatMap((one, index) => [
      '',
      paint('dim', one.title),
      ...shortened(one, sizes[index] ?? 0, paint),
    ]),
  ].slice(0, options.height);
}

interface Section {
  readonly title: string;
  /** A title line and a line for each row that may be shown. */
  readonly lines: readonly string[];
  /** How many rows were read. */
  readonly rows: number;
  /** There are more rows than were read. */
  readonly hasMore: boolean;
  /** There are more rows than `lines` has. */
  readonly isCut: boolean;
}

function section(
  title: string,
  all: readonly string[],
  { hasMore = false, most = Number.POSITIVE_INFINITY }: { hasMore?: boolean; most?: number } = {},
): Section {
  const rows = all.length - 1;
  const lines = all.slice(0, most + 1);
  const isCut = hasMore || lines.length < all.length;
  return { title: `${title} (${rows}${hasMore ? '+' : ''})`, lines, rows, hasMore, isCut };
}

/** Gives each what it wants, and to the greedy ones equal shares of what is left. */
function shares(wanted: readonly number[], room: number): number[] {
  const sizes = wanted.map(() => 0);
  let left = room;
  for (let open = wanted.map((_, index) => index); open.length > 0 && left > 0; ) {
    const each = Math.max(1, Math.floor(left / open.length));
    for (const index of open) {
      const more = Math.min(each, (wanted[index] ?? 0) - (sizes[index] ?? 0), left);
      sizes[index] = (sizes[index] ?? 0) + more;
      left -= more;
    }
    open = open.filter((index) => (sizes[index] ?? 0) < (wanted[index] ?? 0));
  }
  return sizes.map((size, index) => Math.max(size, Math.min(MIN_ROWS, wanted[index] ?? 0)));
}

function shortened({ lines, rows, hasMore, isCut }: Section, size: number, paint: Paint): string[] {
  if (!isCut && lines.length <= size) return [...lines];
  const shown = lines.slice(0, Math.max(1, size - 1));
  const left = rows - (shown.length - 1);
  const number = left === 0 ? '' : `${left}${hasMore ? '+' : ''} `;
  return [...shown, paint('dim', `… and ${number}more`)];
}

function totals({ workers, queues }: TopView, { paint, nowMs, width }: TopOptions): string {
  const ready = workers.filter(({ state }) => state === 'ready');
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const oldest = Math.max(0, ...queues.map(({ oldestSeconds }) => oldestSeconds ?? 0));
  const waiting = sum(queues.map((queue) => queue.waiting));
  const parts = [
    paint(['bold', ready.length === 0 ? 'red' : 'green'], `${ready.length}/${workers.length} nodes ready`),
    `${sum(workers.map(({ busy }) => busy))}/${sum(ready.map(({ slots }) => slots))} slots taken`,
    `${waiting} waiting${waiting > 0 ? `, the oldest for ${duration(oldest * 1000)}` : ''}`,
    `${sum(queues.map((queue) => queue.delayed))} delayed`,
  ];
  // On a narrow screen the last facts go first.
  while (parts.length > 1 && columnsOf(parts.join(' · ')) > width) parts.pop();
  const left = parts.join(' · ');
  const clock = new Date(nowMs).toISOString().slice(11, 19);
  const room = Math.min(width, 160) - clock.length;
  return columnsOf(left) < room ? `${padTo(left, room)}${clock}` : left;
}

const BAR = 10;

function nodeTable({ workers }: TopView, { paint, nowMs, width }: TopOptions): string[] {
  const columns: Column<WorkersView['workers'][number]>[] = [
    { title: 'NODE', value: ({ node }) => node },
    { title: 'STATE', value: ({ state }) => state, paint: ({ state }) => paintState(paint, state) },
    { title: 'SLOTS', value: ({ busy, slots }) => `${bar(busy, slots)} ${busy}/${slots}` },
    { title: 'POOLS', value: ({ pools }) => pools.join(','), flexible: true },
    { title: 'SEEN', value: ({ lastSeenAt }) => ago(lastSeenAt, nowMs), align: 'right' },
    { title: 'WHY NOT READY', value: ({ reasons }) => reasons.join('; '), flexible: true },
  ];
  return table(workers, columns, { width, paint });
}

function bar(part: number, whole: number): string {
  const full = whole === 0 ? 0 : Math.min(BAR, Math.round((part / whole) * BAR));
  return '█'.repeat(full) + '░'.repeat(BAR - full);
}

function queueTable({ queues }: TopView, { paint, width }: TopOptions): string[] {
  const busiest = [...queues].sort((a, b) => b.waiting - a.waiting);
  return table(busiest, queueColumns, { width, paint });
}

function jobTable(jobs: readonly JobSummary[], { paint, nowMs, width }: TopOptions): string[] {
  const columns: Column<JobSummary>[] = [
    { title: 'ID', value: ({ id }) => id },
    { title: 'NAME', value: ({ name }) => name || '-', flexible: true },
    { title: 'STATE', value: ({ state }) => state, paint: ({ state }) => paintState(paint, state) },
    { title: 'CAUSE', value: ({ cause }) => cause ?? '-' },
    { title: 'NODE', value: ({ node }) => node ?? '-', flexible: true },
    { title: 'RAN', value: (job) => ran(job, nowMs), align: 'right' },
  ];
  return table(jobs, columns, { width, paint });
}
