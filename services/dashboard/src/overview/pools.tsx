import type { QueueCounts } from '@cronium/contracts';
import type { JSX } from 'preact';
import { client } from '../data/client.ts';
import { useQueues } from '../data/reads.ts';
import { mayAct } from '../data/session.ts';
import { count } from '../format/numbers.ts';
import { duration } from '../format/time.ts';
import { Action } from '../parts/action.tsx';
import { Empty, Loading, Problem } from '../parts/notices.tsx';

/** Queues and what waits in them; pausing a pool. */
export function Pools(): JSX.Element {
  const { data, error, refetch } = useQueues();
  return (
    <section class="card" aria-labelledby="queues">
      <div class="card-head">
        <h2 id="queues">Queues</h2>
      </div>
      {error !== null && (
        <div class="card-body">
          <Problem what="The queues cannot be read." error={error} onRetry={() => void refetch()} />
        </div>
      )}
      {data === undefined ? error === null && <Loading rows={3} /> : <Queues queues={data.queues} />}
    </section>
  );
}

function Queues({ queues }: QueueCounts): JSX.Element {
  if (queues.length === 0) {
    return (
      <Empty title="No queue yet">
        <p>The first job of a pool makes its queue.</p>
      </Empty>
    );
  }
  return (
    <div class="table-scroll">
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Pool</th>
            <th scope="col" class="right">
              Waiting
            </th>
            <th scope="col" class="right">
              Delayed
            </th>
            <th scope="col" class="right">
              Active
            </th>
            <th scope="col" class="right">
              Oldest
            </th>
            <th scope="col">
              <span class="hidden-label">Pause</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {queues.map((queue) => (
            <tr key={queue.name}>
              <td>
                {queue.pool}
                {Object.entries(queue.requires).map(([name, value]) => (
                  <span class="chip" key={name}>
                    {name}={value}
                  </span>
                ))}
              </td>
              <td class="right number">{count(queue.waiting)}</td>
              <td class="right number">{count(queue.delayed)}</td>
              <td class="right number">{count(queue.active)}</td>
              <td class="right number">
                {queue.oldestSeconds === null ? '–' : duration(queue.oldestSeconds * 1000)}
              </td>
              <td class="right">
                <PauseButton pool={queue.pool} paused={queue.paused} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function PauseButton({ pool, paused }: { pool: string; paused: boolean }): JSX.Element | null {
  if (!mayAct('admin')) return paused ? <span class="chip">paused</span> : null;
  return (
    <Action
      run={() => (paused ? client.resumeQueue(pool) : client.pauseQueue(pool))}
      changes={['queues']}
      kind="small"
      done={paused ? `${pool} goes on.` : `${pool} is paused: running jobs end.`}
    >
      {paused ? 'Resume' : 'Pause'}
    </Action>
  );
}
