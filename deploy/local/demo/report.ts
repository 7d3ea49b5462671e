import { type Column, duration, type Paint, paintState, table } from '@cronium/cli/render';
import type { JobView } from '@cronium/contracts';
import { LANGUAGES } from './batch.ts';
import type { Comparison } from './compare.ts';

/** A table with a line for each text: what all three languages found, and how long each took. */
export function countTable(comparisons: readonly Comparison[], paint: Paint, width: number): string[] {
  const columns: Column<Comparison>[] = [
    { title: 'TEXT', value: ({ text }) => text },
    { title: 'WORDS', value: ({ answer }) => String(answer?.words ?? '-'), align: 'right' },
    { title: 'LINES', value: ({ answer }) => String(answer?.lines ?? '-'), align: 'right' },
    ...LANGUAGES.map(
      (language): Column<Comparison> => ({
        title: language.toUpperCase(),
        value: ({ jobs }) => ranFor(jobs[language]),
        align: 'right',
      }),
    ),
    {
      title: 'ANSWERS',
      value: ({ problems }) => (problems.length === 0 ? 'same' : 'DIFFER'),
      paint: ({ problems }, text) => paint(problems.length === 0 ? 'green' : 'red', text),
    },
    { title: 'MOST FREQUENT', value: ({ answer }) => mostFrequent(answer?.top ?? []), flexible: true },
  ];
  return table(comparisons, columns, { width, paint });
}

function mostFrequent(top: readonly (readonly [string, number])[]): string {
  return top.map(([word, count]) => `${word} ${count}`).join(', ');
}

/** A table of the jobs that count nothing. */
export function otherTable(jobs: readonly JobView[], paint: Paint, width: number): string[] {
  const columns: Column<JobView>[] = [
    { title: 'JOB', value: ({ name }) => name },
    { title: 'TYPE', value: ({ type }) => type },
    { title: 'STATE', value: ({ state }) => state, paint: ({ state }) => paintState(paint, state) },
    { title: 'RAN', value: ranFor, align: 'right' },
    { title: 'NODE', value: ({ node }) => node ?? '-' },
    {
      title: 'OUTPUT',
      value: ({ output }) => (output === null ? '-' : JSON.stringify(output)),
      flexible: true,
    },
  ];
  return table(jobs, columns, { width, paint });
}

function ranFor(job: JobView | undefined): string {
  const run = job?.timings.run;
  return run === undefined ? '-' : duration(run);
}
