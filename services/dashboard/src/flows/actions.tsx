import type { FlowView } from '@cronium/contracts';
import type { JSX } from 'preact';
import { client } from '../data/client.ts';
import { mayAct } from '../data/session.ts';
import { nameOf } from '../format/names.ts';
import { Action } from '../parts/action.tsx';
import { Icon } from '../parts/icons.tsx';

/** What can be done to a flow as it stands. */
export function FlowActions({ flow }: { flow: FlowView }): JSX.Element | null {
  if (!mayAct('submitter') || flow.state !== 'running') return null;
  return (
    <Action
      run={() => client.flows.cancel(flow.id)}
      changes={['flow', flow.id]}
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
