import type { ScheduleView } from '@cronium/contracts';
import type { JSX } from 'preact';
import { client, queries } from '../data/client.ts';
import { mayAct } from '../data/session.ts';
import { Action } from '../parts/action.tsx';
import { Icon } from '../parts/icons.tsx';

/** What can be done to a schedule as it stands. */
export function ScheduleActions({ schedule }: { schedule: ScheduleView }): JSX.Element | null {
  if (!mayAct('submitter')) return null;
  return (
    <div class="row end">
      {schedule.paused ? <Resume name={schedule.name} /> : <Pause name={schedule.name} />}
      <Delete name={schedule.name} />
    </div>
  );
}

const look = () => queries.invalidateQueries({ queryKey: ['schedules'] });

function Pause({ name }: { name: string }): JSX.Element {
  const run = async () => {
    await client.schedules.pause(name);
    await look();
  };
  const confirm = {
    title: `Pause ${name}?`,
    text: 'It starts nothing until it is resumed. Times that pass are not made up for; a job that runs goes on.',
    button: 'Pause the schedule',
  };
  return (
    <Action run={run} kind="small" confirm={confirm} done={`${name} is paused.`}>
      <Icon name="pause" />
      Pause
    </Action>
  );
}

function Resume({ name }: { name: string }): JSX.Element {
  const run = async () => {
    await client.schedules.resume(name);
    await look();
  };
  const confirm = {
    title: `Resume ${name}?`,
    text: 'It starts jobs again, from its next time on.',
    button: 'Resume the schedule',
  };
  return (
    <Action run={run} kind="small" confirm={confirm} done={`${name} goes on.`}>
      <Icon name="resume" />
      Resume
    </Action>
  );
}

function Delete({ name }: { name: string }): JSX.Element {
  const run = async () => {
    await client.schedules.remove(name);
    await look();
  };
  const confirm = {
    title: `Delete ${name}?`,
    text: 'It starts nothing any more, and cannot be brought back. Jobs that it started go on.',
    button: 'Delete the schedule',
  };
  return (
    <Action run={run} kind="small danger" confirm={confirm} done={`${name} is deleted.`}>
      <Icon name="remove" />
      Delete
    </Action>
  );
}
