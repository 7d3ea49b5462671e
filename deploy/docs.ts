/**
 * Writes the generated files of the repository: pages of the documentation, dashboards.
 *
 *   node deploy/docs.ts            writes them
 *   node deploy/docs.ts --check    fails when one is not up to date
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Finding } from './checks/finding.ts';
import { configurationPage } from './docs/configuration-page.ts';
import { metricsPage } from './docs/metrics-page.ts';
import { tracingPage } from './docs/tracing-page.ts';
import { fleetDashboard, nodesDashboard } from './grafana/dashboards.ts';

/** Every generated file, by its path. */
const FILES: Readonly<Record<string, () => string>> = {
  'docs/configuration.md': configurationPage,
  'docs/metrics.md': metricsPage,
  'docs/tracing.md': tracingPage,
  'deploy/grafana/dashboards/fleet.json': fleetDashboard,
  'deploy/grafana/dashboards/nodes.json': nodesDashboard,
};

/** Are the files in the repository those that the definitions give? */
export function checkDocs(root: string): Finding[] {
  return Object.entries(FILES).flatMap(([path, content]) =>
    readFile(join(root, path)) === content()
      ? []
      : [{ where: path, message: 'not up to date. Run: node deploy/docs.ts', severity: 'error' as const }],
  );
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function main(args: readonly string[]): number {
  const root = resolve(import.meta.dirname, '..');
  if (!args.includes('--check')) {
    for (const [path, content] of Object.entries(FILES)) writeFileSync(join(root, path), content());
    return 0;
  }
  const findings = checkDocs(root);
  for (const { where, message } of findings) process.stderr.write(`${where}: ${message}\n`);
  return findings.length > 0 ? 1 : 0;
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2));
