/**
 * Checks what no linter knows: the import rule, banned shortcuts, the lock file, the generated docs.
 *
 *   npm run check
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Finding, SourceFile } from './checks/finding.ts';
import { checkImports, type Manifest, partOf } from './checks/imports.ts';
import { checkLockFile } from './checks/lock-file.ts';
import { checkSource } from './checks/sources.ts';
import { checkVariables } from './checks/variables.ts';
import { checkDocs } from './docs.ts';

const ROOT = resolve(import.meta.dirname, '..');

const findings = checkRepository();
for (const { severity, where, message } of findings)
  process.stdout.write(`${severity}: ${where}: ${message}\n`);
const errors = findings.filter(({ severity }) => severity === 'error').length;
process.stdout.write(`check: ${errors} errors, ${findings.length - errors} warnings\n`);
process.exitCode = errors > 0 ? 1 : 0;

function checkRepository(): Finding[] {
  const paths = repositoryFiles();
  const sources = paths.filter((path) => /\.(ts|tsx|mts)$/.test(path)).map(read);
  const manifests = readManifests(paths);
  return [
    ...sources.flatMap((file) => checkImports(file, manifests)),
    ...sources.flatMap(checkSource),
    ...checkLockFile(read('package-lock.json')),
    ...checkVariables(sources),
    ...checkDocs(ROOT),
  ];
}

/** What git has or would add; a checkout without git is not checked. */
function repositoryFiles(): string[] {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const listed = execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 26 });
  const deleted = execFileSync('git', ['ls-files', '-z', '--deleted'], { cwd: ROOT, encoding: 'utf8' });
  const gone = new Set(deleted.split('\0'));
  return listed.split('\0').filter((path) => path !== '' && !gone.has(path));
}

function read(path: string): SourceFile {
  return { path, text: readFileSync(join(ROOT, path), 'utf8') };
}

function readManifests(paths: readonly string[]): Map<string, Manifest> {
  const workspaces = paths.filter((path) => /^(libs|services)\/[^/]+\/package\.json$/.test(path));
  return new Map(
    ['package.json', ...workspaces].map((path) => {
      const manifest: Manifest = JSON.parse(read(path).text);
      return [path === 'package.json' ? '' : partOf(path), manifest];
    }),
  );
}
