import { z } from 'zod';
import { jobSpec, shortName } from './job.ts';

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

const rhythm = {
  /** Five fields, or six with seconds in front; `@daily` and the like. */
  cron: z.string().min(1).max(200).optional(),
  /** Of the cron expression: a name of the IANA database. */
  timeZone: z
    .string()
    .max(100)
    .refine(isTimeZone, { error: 'must be the name of a time zone, such as Europe/Berlin or UTC' })
    .default('UTC'),
  everySeconds: z.number().min(1).max(31_536_000).optional(),
};

/** `PUT /v1/schedules/{name}`. */
export const scheduleInput = z
  .strictObject({
    ...rhythm,
    job: jobSpec,
    /**
     * When the former run has not ended: start beside it (`allow`), leave this one out (`skip`), or cancel the former
     * (`cancel_previous`).
     */
    overlap: z.enum(['allow', 'skip', 'cancel_previous']).default('skip'),
    /** Runs that were missed by more than a minute while the fleet was away: none, only the last, or all of them. */
    catchUp: z.enum(['none', 'last', 'all']).default('last'),
    paused: z.boolean().default(false),
  })
  .superRefine((schedule, context) => {
    if ((schedule.cron === undefined) === (schedule.everySeconds === undefined)) {
      context.addIssue({
        code: 'custom',
        path: ['cron'],
        message: 'give either cron or everySeconds',
      });
    }
    const { delaySeconds, runAt } = schedule.job;
    if (delaySeconds > 0 || runAt !== undefined) {
      context.addIssue({
        code: 'custom',
        path: ['job'],
        message: 'must not have delaySeconds or runAt: the schedule says when it runs',
      });
    }
  });
export type ScheduleInput = z.input<typeof scheduleInput>;
export type Schedule = z.output<typeof scheduleInput>;

/** What became of a schedule's last time. */
const lastRun = z.strictObject({
  /** The time that was due. */
  at: z.number(),
  result: z.enum(['started', 'skipped', 'rejected']),
  /** The job that was started; of a skipped time, the one that still ran. */
  jobId: z.string().nullable(),
  /** Why a time was skipped or its job not taken. */
  detail: z.string().nullable(),
});

/** A schedule as it stands in Valkey, a value of the hash {@link Keys.schedules}. */
export const scheduleRecord = z.strictObject({
  v: z.literal(1),
  tenant: z.string(),
  name: shortName,
  schedule: scheduleInput,
  /** Intervals count from here. */
  createdAt: z.number(),
  updatedAt: z.number(),
  /** The next time, Unix ms; null while it is paused or when none is left. */
  nextAt: z.number().nullable(),
  last: lastRun.nullable(),
});
export type ScheduleRecord = z.infer<typeof scheduleRecord>;

const isoTime = z.iso.datetime().nullable();

/** A schedule as the API shows it. */
export const scheduleView = z.object({
  name: z.string(),
  cron: z.string().nullable(),
  timeZone: z.string().nullable(),
  everySeconds: z.number().nullable(),
  overlap: z.enum(['allow', 'skip', 'cancel_previous']),
  catchUp: z.enum(['none', 'last', 'all']),
  paused: z.boolean(),
  job: z.record(z.string(), z.unknown()),
  nextAt: isoTime,
  last: z
    .object({
      at: isoTime,
      result: z.enum(['started', 'skipped', 'rejected']),
      jobId: z.string().nullable(),
      detail: z.string().nullable(),
    })
    .nullable(),
  createdAt: isoTime,
  updatedAt: isoTime,
});
export type ScheduleView = z.infer<typeof scheduleView>;

/** `GET /v1/schedules`, by name. */
export const schedulesView = z.object({ schedules: z.array(scheduleView) });
export type SchedulesView = z.infer<typeof schedulesView>;

/** A record as the API shows it. */
export function toScheduleView({
  name,
  schedule,
  createdAt,
  updatedAt,
  nextAt,
  last,
}: ScheduleRecord): ScheduleView {
  const { cron, timeZone, everySeconds, job, ...rest } = schedule;
  const iso = (ms: number) => new Date(ms).toISOString();
  return {
    name,
    ...rest,
    cron: cron ?? null,
    timeZone: cron === undefined ? null : timeZone,
    everySeconds: everySeconds ?? null,
    job,
    nextAt: nextAt === null ? null : iso(nextAt),
    last: last && { ...last, at: iso(last.at) },
    createdAt: iso(createdAt),
    updatedAt: iso(updatedAt),
  };
}
