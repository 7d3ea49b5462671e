import { type Finding, lineAt, type SourceFile } from './finding.ts';

const LONGEST_FILE = 350;

interface Ban {
  readonly pattern: RegExp;
  readonly message: string;
  /** The only place where it counts; everywhere when absent. */
  readonly within?: RegExp;
  /** Where it is allowed all the same. */
  readonly except?: RegExp;
}

const BANS: readonly Ban[] = [
  {
    pattern: /\bprocess\.env\b/g,
    message: 'the environment is read in main.ts and libs/config alone; pass the parsed configuration down',
    except: /\/main\.ts$|^libs\/(config|testing)\/|^deploy\/|^images\/|^vitest\.config\.ts$|\.test\.ts$/,
  },
  {
    pattern: /\bdefineConfig\(/g,
    message: 'variables are defined in libs/config/src/services, where --help and the docs find them',
    within: /^services\//,
  },
  { pattern: /@ts-(ignore|nocheck|expect-error)/g, message: 'type errors are fixed, not silenced' },
  { pattern: /biome-ignore/g, message: 'lint findings are fixed, not silenced' },
  {
    pattern: /\bvi\.(mock|doMock)\(/g,
    message: 'tests use the real thing, or a double of an interface of ours',
  },
  { pattern: /\b(TODO|FIXME|XXX)\b/g, message: 'unfinished work belongs in an issue' },
  { pattern: /\b(it|test|describe)\.only\(/g, message: 'this would skip all other tests' },
];

/** Checks one source file for what reviewers should not have to look for. */
export function checkSource(file: SourceFile): Finding[] {
  // This file spells out what it bans.
  if (file.path.startsWith('deploy/checks/')) return [];
  return [...BANS.flatMap((ban) => findBanned(file, ban)), ...checkLength(file)];
}

function findBanned({ path, text }: SourceFile, { pattern, message, within, except }: Ban): Finding[] {
  if (except?.test(path) || within?.test(path) === false) return [];
  return [...text.matchAll(pattern)].map((match) => ({
    where: `${path}:${lineAt(text, match.index)}`,
    message: `${match[0]}: ${message}`,
    severity: 'error',
  }));
}

function checkLength({ path, text }: SourceFile): Finding[] {
  const lines = text.split('\n').length - 1;
  if (lines <= LONGEST_FILE) return [];
  return [
    {
      where: path,
      message: `${lines} lines; past ${LONGEST_FILE} a file wants a reason`,
      severity: 'warning',
    },
  ];
}
