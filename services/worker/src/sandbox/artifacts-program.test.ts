import { matchesGlob } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expressionFor, rootOf } from './artifacts-program.ts';

const matches = (pattern: string, path: string) => new RegExp(expressionFor(pattern)).test(`./${path}`);

describe('the expression of an artifact pattern', () => {
  const part = fc.stringMatching(/^[ab]{1,3}$/);
  const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const wild = fc
    .oneof(fc.stringMatching(/^[ab*?]{1,3}$/), fc.constant('**'))
    .map((text) => (text === '**' ? text : text.replaceAll(/\*+/g, '*')));
  const pattern = fc.array(wild, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));

  test('matches what a glob matches, and all that is in a folder that it matches', () => {
    fc.assert(
      fc.property(pattern, path, (glob, name) => {
        const expected = matchesGlob(name, glob) || matchesGlob(name, `${glob}/**`);
        expect([glob, name, matches(glob, name)]).toEqual([glob, name, expected]);
      }),
      { numRuns: 2000 },
    );
  });

  test('takes every other character as it is', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z.+(){}[\]^$|\\ -]{1,12}$/), (name) => {
        fc.pre(!/^\.\/|^\.$/.test(name));
        expect(matches(name, name)).toBe(true);
        expect(matches(name, `${name}x`)).toBe(false);
      }),
    );
  });

  test('is looked for below the last folder without a wildcard', () => {
    expect(['out/**', './out/a/*.txt', '**/*.log', 'report.txt', 'out/', 'a?/b'].map(rootOf)).toEqual([
      'out',
      'out/a',
      '.',
      'report.txt',
      'out',
      '.',
    ]);
  });
});
