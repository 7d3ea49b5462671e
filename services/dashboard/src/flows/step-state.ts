import type { FlowView } from '@cronium/contracts';
import { STATES, type StateLook } from '../parts/state.tsx';

export type Step = FlowView['steps'][number];

const WAITS: StateLook = { label: 'Waits', colour: 'cancelled', icon: 'queued' };
const LEFT_OUT: StateLook = { label: 'Left out', colour: 'cancelled', icon: 'cancelled' };
/** Its job is older than what the fleet keeps. */
const ENDED: StateLook = { label: 'Ended', colour: 'cancelled', icon: 'done' };

/** How a step stands: as its job does, once there is one. */
export function stepLook({ state, jobState }: Pick<Step, 'state' | 'jobState'>): StateLook {
  if (jobState !== null) return STATES[jobState];
  switch (state) {
    case 'waiting':
      return WAITS;
    case 'skipped':
      return LEFT_OUT;
    case 'ended':
      return ENDED;
    case 'starting':
    case 'started':
      return STATES.queued;
  }
}

/** The page of a step's job; undefined while there is none. */
export function jobHref({ state, jobId }: Pick<Step, 'state' | 'jobId'>): string | undefined {
  return state === 'waiting' || state === 'skipped' ? undefined : `/jobs/${jobId}`;
}
