import { fieldErrors, jobSpec } from '@cronium/contracts';
import { z } from 'zod';
import { problems } from '../problems.ts';
import { type ReadLine, readJob } from './read-job.ts';
import type { JobSource } from './upload.ts';

/** So many jobs are checked before others get the processor. */
const CHECKED_AT_ONCE = 100;

const name = z.string().max(200).optional();

/** A JSON batch as the documentation shows it. */
export const batchDocument = z.strictObject({
  name,
  /** Merged under each job: what a job says itself is stronger. */
  defaults: z.record(z.string(), z.json()).optional(),
  jobs: z.array(jobSpec),
});

/** The document's own shape; its jobs are checked one by one. */
const envelope = z.strictObject({
  name,
  defaults: z.record(z.string(), z.unknown()).default({}),
  jobs: z.array(z.unknown()),
});
export type BatchEnvelope = z.output<typeof envelope>;

/** @throws HttpProblem 422 when the document itself has another shape */
export function readBatchDocument(value: unknown): BatchEnvelope {
  const result = envelope.safeParse(value);
  if (!result.success) throw problems.invalid(fieldErrors(result.error).slice(0, 20), 'batch');
  return result.data;
}

/** The document's jobs with its defaults; `line` is the place in `jobs`, from 1. */
export async function* jobsOfDocument({ defaults, jobs }: BatchEnvelope): JobSource {
  for (let start = 0; start < jobs.length; start += CHECKED_AT_ONCE) {
    yield jobs.slice(start, start + CHECKED_AT_ONCE).map((job, i): ReadLine => {
      const merged = merge(defaults, job);
      return { ...readJob(merged), line: start + i + 1, bytes: JSON.stringify(merged)?.length ?? 0 };
    });
    await new Promise((resume) => setImmediate(resume));
  }
}

/** Objects are merged key by key; anything else of the job replaces the default. */
export function merge(base: unknown, over: unknown): unknown {
  if (!isObject(base) || !isObject(over)) return over;
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    merged[key] = Object.hasOwn(merged, key) ? merge(merged[key], value) : value;
  }
  return merged;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
