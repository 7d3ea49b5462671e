import type { BatchView } from '@cronium/contracts';
import type { JSX } from 'preact';
import { client } from '../data/client.ts';
import { mayAct } from '../data/session.ts';
import { count } from '../format/numbers.ts';
import { Action } from '../parts/action.tsx';
import { Icon } from '../parts/icons.tsx';

/** What can be done to a batch as it stands. */
export function BatchActions({ batch }: { batch: BatchView }): JSX.Element | null {
  if (!mayAct('submitter')) return null;
  const changes = ['batch', batch.id];
  const { failed } = batch.counts;
  return (
    <>
      {failed > 0 && (
        <Action
          run={() => client.retryBatch(batch.id, { state: 'failed' })}
          changes={changes}
          done="The failed jobs are queued again."
        >
          <Icon name="retry" />
          Retry {count(failed)} failed
        </Action>
      )}
      {batch.endedAt === null && (
        <Action
          run={() => client.cancelBatch(batch.id)}
          changes={changes}
          done="The batch is being cancelled."
          kind="danger"
          confirm={{
            title: `Cancel ${batch.name ?? 'the batch'}?`,
            text: `${count(batch.total - batch.ended)} jobs that have not ended are taken out of the queue or stopped.`,
            button: 'Cancel the batch',
          }}
        >
          <Icon name="stop" />
          Cancel
        </Action>
      )}
    </>
  );
}
