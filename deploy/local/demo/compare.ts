import { isDeepStrictEqual } from 'node:util';
import type { JobView } from '@cronium/contracts';
import { z } from 'zod';
import { countName, LANGUAGES, type Language } from './batch.ts';

const answer = z.strictObject({
  words: z.int(),
  lines: z.int(),
  top: z.array(z.tuple([z.string(), z.int()])).max(10),
});
export type Answer = z.infer<typeof answer>;

/** What the three languages found in one text. */
export interface Comparison {
  readonly text: string;
  /** The answer that all agree on; undefined when they don't. */
  readonly answer: Answer | undefined;
  readonly jobs: Readonly<Partial<Record<Language, JobView>>>;
  /** What is wrong, for a person; empty when nothing is. */
  readonly problems: readonly string[];
}

/** Compares the languages' answers for each text. */
export function compare(texts: readonly string[], jobs: readonly JobView[]): Comparison[] {
  const byName = new Map(jobs.map((job) => [job.name, job]));
  return texts.map((text) => {
    const found = LANGUAGES.map((language) => ({ language, job: byName.get(countName(text, language)) }));
    const answers = found.map(({ language, job }) => readAnswer(language, job));
    const [first] = answers;
    const problems = answers.flatMap(({ problem }) => (problem === undefined ? [] : [problem]));
    const agree = answers.every(({ value }) => value !== undefined && isDeepStrictEqual(value, first?.value));
    if (problems.length === 0 && !agree) problems.push(difference(answers));
    return {
      text,
      answer: agree ? first?.value : undefined,
      jobs: Object.fromEntries(found.flatMap(({ language, job }) => (job ? [[language, job]] : []))),
      problems,
    };
  });
}

interface ReadAnswer {
  readonly language: Language;
  readonly value?: Answer;
  readonly problem?: string;
}

function readAnswer(language: Language, job: JobView | undefined): ReadAnswer {
  if (job === undefined) return { language, problem: `${language}: no job` };
  if (job.state !== 'succeeded') return { language, problem: `${language}: ${job.id} ${job.state}` };
  const parsed = answer.safeParse(job.output);
  if (parsed.success) return { language, value: parsed.data };
  return {
    language,
    problem: `${language}: ${job.id} has no answer but ${JSON.stringify(job.output).slice(0, 100)}`,
  };
}

function difference(answers: readonly ReadAnswer[]): string {
  return `the answers differ: ${answers.map(({ language, value }) => `${language} ${JSON.stringify(value)}`).join('; ')}`;
}
