import type { QueueCounts } from '@cronium/contracts';
import { duration } from './duration.ts';
import type { Column } from './table.ts';

type Queue = QueueCounts['queues'][number];

/** How a queue stands, behind the columns that name it. */
export const queueColumns: readonly Column<Queue>[] = [
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
