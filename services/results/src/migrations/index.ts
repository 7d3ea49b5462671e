import type { Migration } from 'kysely/migration';
import * as first from './2026-11-21-first.ts';
import * as audit from './2026-11-22-audit.ts';
import * as flows from './2026-11-22-flows.ts';
import * as runtime from './2026-11-22-runtime.ts';
import * as traceOutbox from './2026-11-22-trace-outbox.ts';
import * as removedVariables from './2026-11-23-removed-variables.ts';
import * as tallies from './2026-11-23-tallies.ts';
import * as webhooks from './2026-11-23-webhooks.ts';
import * as intake from './2026-11-24-intake.ts';
import * as gatheredTallies from './2026-11-25-gathered-tallies.ts';
import * as gatheredTraces from './2026-11-25-gathered-traces.ts';
import * as spansOfJobs from './2026-11-25-spans-of-jobs.ts';
import * as intakeKnown from './2026-11-26-intake-known.ts';
import * as daysOfLogs from './2026-11-27-days-of-logs.ts';
import * as runTimes from './2026-11-27-run-times.ts';

/** Every migration by its date and name; they run in the order of their names. */
export const migrations: Readonly<Record<string, Migration>> = {
  '2026-11-21-first': first,
  '2026-11-22-audit': audit,
  '2026-11-22-flows': flows,
  '2026-11-22-runtime': runtime,
  '2026-11-22-trace-outbox': traceOutbox,
  '2026-11-23-removed-variables': removedVariables,
  '2026-11-23-tallies': tallies,
  '2026-11-23-webhooks': webhooks,
  '2026-11-24-intake': intake,
  '2026-11-25-gathered-tallies': gatheredTallies,
  '2026-11-25-gathered-traces': gatheredTraces,
  '2026-11-25-spans-of-jobs': spansOfJobs,
  '2026-11-26-intake-known': intakeKnown,
  '2026-11-27-days-of-logs': daysOfLogs,
  '2026-11-27-run-times': runTimes,
};
