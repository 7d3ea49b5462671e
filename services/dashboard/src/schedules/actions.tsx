import type { ScheduleView } from '@cronium/contracts';
import type { JSX } from 'preact';
import { client } from '../data/client.ts';
import { mayAct } from '../data/session.ts';
import { Action } from '../parts/action.tsx';
import { Icon, type IconName } from '../parts/icons.tsx';

interface Change {
  readonly verb: 'Pause' | 'Resume' | 'Delete';
  readonly icon: IconName;
  readonly kind: 'small' | 'small danger';
  readonly text: string;
  readonly done: string;
  readonly run: (name: string) => Promise<unknown>;
}

const CHANGES = {
  pause: {
    verb: 'Pause',
    icon: 'pause',
    kind: 'small',
    text: 'It starts nothing until it is resumed. Times that pass are not made up for; a job that runs goes on.',
    done: 'is paused',
    run: (name) => client.schedules.pause(name),
  },
  resume: {
    verb: 'Resume',
    icon: 'resume',
    kind: 'small',
    text: 'It starts jobs again, from its next time on.',
    done: 'goes on',
    run: (name) => client.schedules.resume(name),
  },
  remove: {
    verb: 'Delete',
    icon: 'remove',
    kind: 'small danger',
    text: 'It starts nothing any more, and cannot be brought back. Jobs that it started go on.',
    done: 'is deleted',
    run: (name) => client.schedules.remove(name),
  },
} as const satisfies Record<string, Change>;

/** What can be done to a schedule as it stands. */
export function ScheduleActions({ schedule }: { schedule: ScheduleView }): JSX.Element | null {
  if (!mayAct('submitter')) return null;
  return (
    <div class="row end">
      <ChangeButton name={schedule.name} change={schedule.paused ? CHANGES.resume : CHANGES.pause} />
      <ChangeButton name={schedule.name} change={CHANGES.remove} />
    </div>
  );
}

function ChangeButton({ name, change }: { name: string; change: Change }): JSX.Element {
  const { verb, icon, kind, text, done, run } = change;
  return (
    <Action
      run={() => run(name)}
      changes={['schedules']}
      kind={kind}
      confirm={{ title: `${verb} ${name}?`, text, button: `${verb} the schedule` }}
      done={`${name} ${done}.`}
    >
      <Icon name={icon} />
      {verb}
    </Action>
  );
}
