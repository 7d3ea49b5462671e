import type { JobView } from '@cronium/contracts';
import { isTerminal } from '@cronium/contracts/states';
import type { JSX } from 'preact';
import { client } from '../data/client.ts';
import { mayAct } from '../data/session.ts';
import { nameOf } from '../format/names.ts';
import { Action } from '../parts/action.tsx';
import { Icon } from '../parts/icons.tsx';

/** What can be done to a job as it stands. */
export function JobActions({ job }: { job: JobView }): JSX.Element | null {
  if (!mayAct('submitter')) return null;
  const changes = ['job', job.id];
  if (isTerminal(job.state)) {
    return (
      <Action run={() => client.retry(job.id)} changes={changes} done="The job is queued again.">
        <Icon name="retry" />
        Retry
      </Action>
    );
  }
  return (
    <Action
      run={() => client.cancel(job.id)}
      changes={changes}
      done="The job is being cancelled."
      kind="danger"
      confirm={{
        title: `Cancel ${nameOf(job)}?`,
        text: 'It is taken out of the queue, or its container is stopped. What it wrote so far stays.',
        button: 'Cancel the job',
      }}
    >
      <Icon name="stop" />
      Cancel
    </Action>
  );
}
