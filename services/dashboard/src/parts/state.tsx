import type { JobState } from '@cronium/contracts';
import type { JSX } from 'preact';
import { Icon, type IconName } from './icons.tsx';

/** How a state looks and reads; the icon tells it to those who see no colours. */
export interface StateLook {
  readonly label: string;
  readonly colour: string;
  readonly icon: IconName;
}

export const STATES: Readonly<Record<JobState, StateLook>> = {
  queued: { label: 'Queued', colour: 'queued', icon: 'queued' },
  claimed: { label: 'Claimed', colour: 'claimed', icon: 'moving' },
  preparing: { label: 'Preparing', colour: 'claimed', icon: 'moving' },
  running: { label: 'Running', colour: 'running', icon: 'moving' },
  draining: { label: 'Draining', colour: 'draining', icon: 'moving' },
  succeeded: { label: 'Succeeded', colour: 'succeeded', icon: 'succeeded' },
  failed: { label: 'Failed', colour: 'failed', icon: 'failed' },
  timed_out: { label: 'Timed out', colour: 'timed_out', icon: 'queued' },
  cancelled: { label: 'Cancelled', colour: 'cancelled', icon: 'cancelled' },
  lost: { label: 'Lost', colour: 'lost', icon: 'lost' },
};

/** A job's state as a badge. */
export function StateBadge({ state }: { state: JobState }): JSX.Element {
  return <Badge look={STATES[state]} />;
}

export function Badge({ look: { label, colour, icon } }: { look: StateLook }): JSX.Element {
  return (
    <span class={`state ${icon === 'moving' ? 'moving' : ''}`} style={{ color: `var(--${colour})` }}>
      <Icon name={icon} />
      {label}
    </span>
  );
}
