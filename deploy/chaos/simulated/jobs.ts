import { type JobSpec, jobSpec, type QueuePayload, traceIdForJob } from '@cronium/contracts';
import { pause } from '@cronium/lifecycle';
import { type Step, step } from '../../../services/worker/src/testing/scripted-host.ts';
import type { Random } from '../random.ts';

/** A job of a simulated round. */
export interface SimulatedJob {
  readonly id: string;
  readonly payload: QueuePayload;
  readonly exitCode: number;
  readonly runMs: number;
}

const LINES = 8;

function specWith(input: object): JobSpec {
  return jobSpec.parse({ type: 'script', script: { language: 'bash', source: 'true' }, ...input });
}

const SPECS = {
  plain: specWith({ timeoutSeconds: 600 }),
  retried: specWith({ timeoutSeconds: 600, retry: { attempts: 3 } }),
};

export function drawJob(random: Random, number: number): SimulatedJob {
  const id = `job_${String(number).padStart(12, '0')}`;
  const exitCode = random.chance(0.15) ? 3 : 0;
  const payload: QueuePayload = {
    v: 1,
    spec: random.chance(0.5) ? SPECS.plain : SPECS.retried,
    tenant: 'sim',
    traceId: traceIdForJob(id),
    receivedAt: Date.now(),
    acceptedAt: Date.now(),
    attemptBase: 0,
    postponed: 0,
  };
  const runMs = random.chance(0.3) ? random.whole(5000, 90_000) : random.whole(10, 4000);
  return { id, payload, exitCode, runMs };
}

/** What its program does: lines all along its time, then its exit. */
export function stepsOf({ exitCode, runMs }: SimulatedJob, attemptId: string): Step[] {
  const lines = Array.from({ length: LINES }, (_, line): Step[] => [
    step.wait(() => pause(Math.ceil(runMs / LINES))),
    step.print(lineOf(attemptId, line)),
  ]);
  return [step.started('main'), ...lines.flat(), step.exit(exitCode)];
}

/** What an attempt that ran to its end has written. */
export function textOf(attemptId: string): string {
  return Array.from({ length: LINES }, (_, line) => `${lineOf(attemptId, line)}\n`).join('');
}

function lineOf(attemptId: string, line: number): string {
  return `line ${line} of ${attemptId}`;
}
