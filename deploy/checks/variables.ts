import { allConfigs } from '@cronium/config';
import type { Finding, SourceFile } from './finding.ts';

const FOLDERS: Readonly<Record<string, string>> = {
  producer: 'services/producer/src/',
  worker: 'services/worker/src/',
  results: 'services/results/src/',
  cli: 'services/cli/src/',
};

/** A variable that the docs promise and no line of its service reads would be a lie. */
export function checkVariables(files: readonly SourceFile[]): Finding[] {
  return Object.entries(allConfigs).flatMap(([service, definition]) => {
    const folder = FOLDERS[service] ?? `services/${service}/src/`;
    const sources = files.filter(({ path }) => path.startsWith(folder));
    const unread = Object.keys(definition.fields).filter(
      (name) => !sources.some(({ text }) => new RegExp(`\\b${name}\\b`).test(text)),
    );
    if (unread.length === 0) return [];
    const where = `libs/config/src/services/${service}.ts`;
    return [
      { where, message: `nothing under ${folder} reads ${unread.join(', ')}`, severity: 'warning' as const },
    ];
  });
}
