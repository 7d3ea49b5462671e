import type { FlowView } from '@cronium/contracts';
import type { JSX } from 'preact';
import { client, queries } from '../data/client.ts';
import { mayAct } from '../data/session.ts';
import { nameOf } from '../format/names.ts';
import { Action } from '../parts/action.tsx';
import { Icon } from '../parts/icons.tsx';

/** What can be done to a flow as it stands. */
export function FlowActions({ flow }: { flow: FlowView }): JSX.Element | null {
  if (!mayAct('submitter') || flow.state !== 'running') return null;
  const cancel = async () => {
    await client.flows.cancel(flow.id);
    await queries.invalidateQueries({ queryKey: ['flow', flow.id] });
  };
  return (
    <Action
      run={cancel}
      done="The flow is being cancelled."
      kind="danger"
      confirm={{
        title: `Cancel ${nameOf(flow)}?`,
        text: 'Steps that wait are left out; jobs that have not ended are taken out of the queue or stopped.',
        button: 'Cancel the flow',
      }}
    >
      <Icon name="stop" />
      Cancel
    </Action>
  );
}
