import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseAnsi } from './ansi.ts';

const ESC = '\u001b';
const looks = (line: string) => parseAnsi(line).map(({ text, look }) => [text, look]);

test('a line without sequences is one piece without a look; an empty one is none', () => {
  expect(looks('plain <b>text</b>')).toEqual([['plain <b>text</b>', undefined]]);
  expect(looks('')).toEqual([]);
});

test.each([
  ['1;31', { bold: true, colour: 'var(--ansi-1)' }],
  ['97;100', { colour: 'var(--ansi-15)', background: 'var(--ansi-8)' }],
  ['38;5;9', { colour: 'var(--ansi-9)' }],
  ['38;5;16', { colour: 'rgb(0 0 0)' }],
  ['38;5;231', { colour: 'rgb(255 255 255)' }],
  ['48;5;244', { background: 'rgb(128 128 128)' }],
  ['38;2;1;2;300', { colour: 'rgb(1 2 255)' }],
  ['38:2:1:2:3;4', { colour: 'rgb(1 2 3)', underline: true }],
  ['38;5;999', undefined],
  ['4;24', undefined],
  ['31;39', undefined],
  ['1;', undefined],
])('the codes %s', (codes, look) => {
  expect(looks(`${ESC}[${codes}mx`)).toEqual([['x', look]]);
});

test('a look lasts until it is taken back', () => {
  expect(looks(`a${ESC}[32mb${ESC}[1mc${ESC}[22md${ESC}[me`)).toEqual([
    ['a', undefined],
    ['b', { colour: 'var(--ansi-2)' }],
    ['c', { colour: 'var(--ansi-2)', bold: true }],
    ['d', { colour: 'var(--ansi-2)', bold: false, dim: false }],
    ['e', undefined],
  ]);
});

test('titles, links and cursor movements are left out; a progress bar shows its last state', () => {
  expect(looks(`${ESC}]0;title\u0007a${ESC}]8;;x:y${ESC}\\b${ESC}[2K${ESC}[10;5Hc`)).toEqual([
    ['a', undefined],
    ['b', undefined],
    ['c', undefined],
  ]);
  expect(looks('10%\r50%\r100%\r')).toEqual([['100%', undefined]]);
});

const sequence = fc
  .tuple(fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 6 }), fc.constantFrom(...'mKHJA'))
  .map(([codes, final]) => `${ESC}[${codes.join(';')}${final}`);
const words = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll(ESC, '').replaceAll('\r', ''));

test('whatever the colours are, the text stays whole', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(words, sequence)), (parts) => {
      const pieces = parseAnsi(parts.flat().join(''));
      expect(pieces.map(({ text }) => text).join('')).toBe(parts.map(([text]) => text).join(''));
    }),
  );
});

test('no bytes make it fail, and a look names a safe colour', () => {
  const noise = fc.string({
    unit: fc.constantFrom(ESC, '[', ']', ';', ':', 'm', '\r', '\u0007', '3', '8', 'x'),
  });
  fc.assert(
    fc.property(noise, (line) => {
      for (const { look } of parseAnsi(line)) {
        for (const colour of [look?.colour, look?.background])
          expect(colour ?? 'var(--ansi-0)').toMatch(/^(var\(--ansi-\d+\)|rgb\(\d+ \d+ \d+\))$/);
      }
    }),
  );
});
