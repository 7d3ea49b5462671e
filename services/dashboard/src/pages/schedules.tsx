import type { ScheduleView } from '@cronium/contracts';
import { SCHEDULE_LABEL } from '@cronium/contracts/job-labels';
import type { JSX } from 'preact';
import { useSchedules } from '../data/reads.ts';
import { useTitle } from '../data/title.ts';
import { atMs, duration } from '../format/time.ts';
import { now } from '../parts/clock.ts';
import { Listed } from '../parts/listed.tsx';
import { Empty } from '../parts/notices.tsx';
import { Time } from '../parts/time.tsx';
import { ScheduleActions } from '../schedules/actions.tsx';

/** Jobs that start by themselves, by name. */
export default function SchedulesPage(): JSX.Element {
  useTitle('Schedules');
  const read = useSchedules();
  return (
    <>
      <div class="page-head">
        <h1 class="grow">Schedules</h1>
      </div>
      <Listed
        label="Schedules"
        items={read.data}
        read={read}
        problem="The schedules cannot be listed."
        rows={6}
        empty={
          <Empty title="No schedules yet">
            <p>A schedule starts a job by cron, in a time zone, or each so many seconds.</p>
            <pre>npx cronium schedule --help</pre>
          </Empty>
        }
      >
        {(schedules) => <ScheduleTable schedules={schedules} />}
      </Listed>
    </>
  );
}

function ScheduleTable({ schedules }: { schedules: readonly ScheduleView[] }): JSX.Element {
  return (
    <div class="table-scroll">
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Schedule</th>
            <th scope="col">Runs</th>
            <th scope="col">Next</th>
            <th scope="col">Last</th>
            <th scope="col">Jobs</th>
            <th scope="col">
              <span class="hidden-label">Change</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {schedules.map((schedule) => (
            <Row key={schedule.name} schedule={schedule} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ schedule }: { schedule: ScheduleView }): JSX.Element {
  const label = encodeURIComponent(`${SCHEDULE_LABEL}=${schedule.name}`);
  const { name } = schedule.job;
  return (
    <tr>
      <td>
        <strong>{schedule.name}</strong>
        {typeof name === 'string' && <div class="muted cause">{name}</div>}
      </td>
      <td>
        <Rhythm schedule={schedule} />
      </td>
      <td>
        <Next schedule={schedule} />
      </td>
      <td>
        <Last schedule={schedule} />
      </td>
      <td>
        <a href={`/jobs?label=${label}`} aria-label={`Jobs of ${schedule.name}`}>
          Jobs
        </a>
      </td>
      <td>
        <ScheduleActions schedule={schedule} />
      </td>
    </tr>
  );
}

function Rhythm({ schedule: { cron, timeZone, everySeconds } }: { schedule: ScheduleView }): JSX.Element {
  if (cron === null) return <span class="nowrap">every {duration((everySeconds ?? 0) * 1000)}</span>;
  return (
    <>
      <code class="nowrap">{cron}</code>
      <div class="muted cause">{timeZone}</div>
    </>
  );
}

function Next({ schedule: { paused, nextAt } }: { schedule: ScheduleView }): JSX.Element {
  if (paused) return <span class="chip">Paused</span>;
  const at = atMs(nextAt);
  if (at === null) return <span class="muted">never again</span>;
  return (
    <>
      <Time ms={at} />
      <div class="muted cause number nowrap">in {duration(Math.max(0, at - now.value))}</div>
    </>
  );
}

const RESULTS = { started: 'started', skipped: 'left out', rejected: 'not taken' } as const;

function Last({ schedule: { last } }: { schedule: ScheduleView }): JSX.Element {
  if (last === null) return <span class="muted">–</span>;
  const result = RESULTS[last.result];
  return (
    <>
      <Time ms={atMs(last.at)} />
      <div class="cause">
        {last.jobId === null ? (
          <span class="muted">{result}</span>
        ) : (
          <a href={`/jobs/${last.jobId}`}>
            {last.result === 'skipped' ? `${result}: one still ran` : result}
          </a>
        )}
        {last.detail !== null && <span class="muted"> {last.detail}</span>}
      </div>
    </>
  );
}
