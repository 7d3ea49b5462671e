import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { flowInput, stepWhen } from './flows.ts';
import { jobSpec } from './job.ts';
import { scheduleInput } from './schedules.ts';

const PAGE = readFileSync(new URL('../../../docs/jobs.md', import.meta.url), 'utf8');

test('every job that the documentation shows is one', () => {
  const shown = [...PAGE.matchAll(/```json\n(.*?)```/gs)].map(([, text = '']) => text);
  expect(shown.length).toBeGreaterThan(1);
  for (const text of shown) expect(jobSpec.safeParse(JSON.parse(text)).error).toBeUndefined();
});

test('every schedule and flow that the documentation shows is one', () => {
  const shown = (kind: string) =>
    [...PAGE.matchAll(new RegExp(`\`\`\`json ${kind}\\n(.*?)\`\`\``, 'gs'))].map(([, text = '']) =>
      JSON.parse(text),
    );
  expect(shown('schedule').map((text) => scheduleInput.safeParse(text).error)).toEqual([undefined]);
  expect(shown('flow').map((text) => flowInput.safeParse(text).error)).toEqual([undefined]);
});

test('every field that a schedule may have, and every way to wait for a step, is in the documentation', () => {
  const names = [...Object.keys(scheduleInput.shape), ...stepWhen.options];
  expect(names.filter((name) => name !== 'job' && !PAGE.includes(`\`${name}\``))).toEqual([]);
});

test('every field that a job may have is in the documentation', () => {
  const fields = jobSpec.options.flatMap((option) => Object.keys(option.shape));
  const missing = [...new Set(fields)].filter((name) => !PAGE.includes(`\`${name}\``));
  expect(missing).toEqual([]);
});
