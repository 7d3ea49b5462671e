import { allConfigs } from '@cronium/config';

const TITLES: Readonly<Record<string, string>> = {
  producer: 'Producer',
  worker: 'Worker',
  results: 'Results',
  cli: 'Command line',
};

/** The page that lists every variable of every service. */
export function configurationPage(): string {
  const sections = Object.entries(allConfigs).map(
    ([service, definition]) => `## ${TITLES[service] ?? service}\n\n${definition.markdown()}\n`,
  );
  return [
    '# Configuration',
    '',
    'Generated from `libs/config/src/services` by `node deploy/docs.ts`; do not edit.',
    '',
    'Each service reads its environment once, at the start. An empty variable counts as absent. When something is',
    'wrong the service lists every problem and exits with code 78. A `CRONIUM_*` variable that nothing reads gives a',
    'warning. Each service prints its variables with `--help`.',
    '',
    ...sections,
  ].join('\n');
}
