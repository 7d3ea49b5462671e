/**
 * Writes the generated pages of the documentation.
 *
 *   node deploy/docs.ts            writes docs/configuration.md
 *   node deploy/docs.ts --check    fails when it is not up to date
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { allConfigs } from '@cronium/config';
import type { Finding } from './checks/finding.ts';

const PAGE = 'docs/configuration.md';

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

/** Is the page in the repository the one that the definitions give? */
export function checkDocs(root: string): Finding[] {
  if (readPage(root) === configurationPage()) return [];
  return [{ where: PAGE, message: 'not up to date. Run: node deploy/docs.ts', severity: 'error' }];
}

function readPage(root: string): string {
  try {
    return readFileSync(join(root, PAGE), 'utf8');
  } catch {
    return '';
  }
}

function main(args: readonly string[]): number {
  const root = resolve(import.meta.dirname, '..');
  if (!args.includes('--check')) {
    writeFileSync(join(root, PAGE), configurationPage());
    return 0;
  }
  const findings = checkDocs(root);
  for (const { where, message } of findings) process.stderr.write(`${where}: ${message}\n`);
  return findings.length > 0 ? 1 : 0;
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2));
