import type { JobView } from '@cronium/contracts';
import { isTerminal } from '@cronium/contracts/states';
import type { JSX } from 'preact';
import { client, queries } from '../data/client.ts';
import { mayAct } from '../data/session.ts';
import { nameOf } from '../format/names.ts';
import { Action } from '../parts/action.tsx';
import { Icon } from '../parts/icons.tsx';

/** What can be done to a job as it stands. */
export function JobActions({ job }: { job: JobView }): JSX.Element | null {
  if (!mayAct('submitter')) return null;
  const look = () => queries.invalidateQueries({ queryKey: ['job', job.id] });
  if (isTerminal(job.state)) {
    const retry = async () => {
      await client.retry(job.id);
      await look();
    };
    return (
      <Action run={retry} done="The job is queued again.">
        <Icon name="retry" />
        Retry
      </Action>
    );
  }
  const cancel = async () => {
    await client.cancel(job.id);
    await look();
  };
  return (
    <Action
      run={cancel}
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
