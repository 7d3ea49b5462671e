import { describe, expect, it } from 'vitest';
import { checkLockFile } from './lock-file.ts';
import { checkSource } from './sources.ts';

const messages = (path: string, text: string) =>
  checkSource({ path, text }).map(({ severity, where, message }) => `${severity} ${where} ${message}`);

describe('the check of a source', () => {
  it('finds the environment read outside main.ts, with its line', () => {
    expect(messages('services/worker/src/claim.ts', 'a;\nconst x = process.env.HOME;\n')).toEqual([
      expect.stringContaining('error services/worker/src/claim.ts:2 process.env:'),
    ]);
    expect(messages('services/worker/src/main.ts', 'process.env;\n')).toEqual([]);
  });

  it.each(['// @ts-ignore', '// biome-ignore lint: x', 'vi.mock("x")', '// TODO later', 'it.only("x")'])(
    'finds %s',
    (text) => expect(messages('libs/config/src/a.ts', text)).toHaveLength(1),
  );

  it('warns of a long file and lets it pass', () => {
    expect(messages('libs/config/src/a.ts', 'x;\n'.repeat(350))).toEqual([]);
    expect(messages('libs/config/src/a.ts', 'x;\n'.repeat(351))).toEqual([
      expect.stringMatching(/^warning .*351 lines/),
    ]);
  });
});

describe('the check of the lock file', () => {
  it('finds download addresses and leaves workspace links alone', () => {
    const text = '{\n"resolved": "libs/config",\n"resolved": "https://example.org/a.tgz"\n}';
    expect(checkLockFile({ path: 'package-lock.json', text })).toEqual([
      expect.objectContaining({ where: 'package-lock.json:3', severity: 'error' }),
    ]);
  });
});
