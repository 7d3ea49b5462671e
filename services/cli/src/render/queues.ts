import type { QueueCounts } from '@cronium/contracts';
import { duration } from './duration.ts';
import type { Column } from './table.ts';

type Queue = QueueCounts['queues'][number];

/** What a queue's jobs need of a node: their pool, and labels and services that it must have. */
function nameOf({ pool, requires }: Queue): string {
  return [pool, ...Object.entries(requires).map(([name, value]) => `${name}=${value}`)].join(' ');
}

/** How a queue stands. */
export const queueColumns: readonly Column<Queue>[] = [
  { title: 'QUEUE', value: nameOf, flexible: true },
  { title: 'STATE', value: ({ paused }) => (paused ? 'paused' : 'open') },
  { title: 'WAITING', value: ({ waiting }) => String(waiting), align: 'right' },
  { title: 'DELAYED', value: ({ delayed }) => String(delayed), align: 'right' },
  { title: 'ACTIVE', value: ({ active }) => String(active), align: 'right' },
  {
    title: 'OLDEST',
    value: ({ oldestSeconds }) => (oldestSeconds === null ? '-' : duration(oldestSeconds * 1000)),
    align: 'right',
  },
];
