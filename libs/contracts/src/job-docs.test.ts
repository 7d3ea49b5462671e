import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { jobSpec } from './job.ts';

const PAGE = readFileSync(new URL('../../../docs/jobs.md', import.meta.url), 'utf8');

test('every job that the documentation shows is one', () => {
  const shown = [...PAGE.matchAll(/```json\n(.*?)```/gs)].map(([, text = '']) => text);
  expect(shown.length).toBeGreaterThan(1);
  for (const text of shown) expect(jobSpec.safeParse(JSON.parse(text)).error).toBeUndefined();
});

test('every field that a job may have is in the documentation', () => {
  const fields = jobSpec.options.flatMap((option) => Object.keys(option.shape));
  const missing = [...new Set(fields)].filter((name) => !PAGE.includes(`\`${name}\``));
  expect(missing).toEqual([]);
});
