import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { maskedValues, maskKeyOf, openValues, sealValues } from '../masked-values.ts';
import { LogFramer } from './framing.ts';
import { SecretMask } from './secret-mask.ts';

const NONCE = '0123456789abcdef0123456789abcdef';
const masked = (...values: string[]) => values.map((value) => Buffer.from(value));

/** Every byte of every occurrence of every value, by looking at each place. */
function reference(bytes: Buffer, values: readonly Buffer[]): Buffer {
  const shown = Buffer.from(bytes);
  for (let at = 0; at < bytes.length; at++) {
    for (const value of values) {
      if (bytes.subarray(at, at + value.length).equals(value)) shown.fill('*', at, at + value.length);
    }
  }
  return shown;
}

function through(mask: SecretMask, bytes: Buffer, lengths: readonly number[]): Buffer {
  const shown: Buffer[] = [];
  let at = 0;
  for (const length of lengths) {
    shown.push(mask.push(bytes.subarray(at, at + length)));
    at += length;
  }
  return Buffer.concat([...shown, mask.push(bytes.subarray(at)), mask.end()]);
}

// Few letters, so that values begin, end and overlap everywhere.
const letters = (minLength: number, maxLength: number) =>
  fc
    .array(fc.constantFrom('a', 'b', '\n'), { minLength, maxLength })
    .map((list) => Buffer.from(list.join('')));

describe("secrets in a job's output", () => {
  test('are masked wherever they stand, whatever the chunks are; all else stays as it is', () => {
    fc.assert(
      fc.property(
        letters(0, 60),
        fc.array(letters(1, 6), { maxLength: 4 }),
        fc.array(fc.nat({ max: 5 })),
        (bytes, values, cuts) => {
          const shown = through(new SecretMask(values), bytes, cuts);
          expect(shown.toString()).toBe(reference(bytes, values).toString());
        },
      ),
      { numRuns: 3000 },
    );
  });

  test('hold nothing back that cannot be the beginning of one', () => {
    const mask = new SecretMask(masked('sesame'));
    expect(mask.push(Buffer.from('open ses')).toString()).toBe('open ');
    expect(mask.push(Buffer.from('ame!')).toString()).toBe('******!');
    expect(mask.push(Buffer.from('sesa')).toString()).toBe('');
    expect(mask.push(Buffer.from('sses')).toString()).toBe('sesas');
    expect(mask.end().toString()).toBe('ses');
  });

  test('do not change positions, lines or markers, and are masked across the place where a log is taken up', () => {
    const written = `\x1e${NONCE} boot start 0\nabc-top\n\x1e${NONCE} main start 0\nsecret\nend\n`;
    const framing = { nonce: NONCE, masked: masked('top\nsecret') };
    const whole = new LogFramer(framing, { stdout: 0, stderr: 0 });
    const pieces = written.split('').flatMap((byte) => whole.push('stdout', Buffer.from(byte), 1));
    const text = [...pieces, ...whole.end(1)].flatMap((item) =>
      item.type === 'record' ? [`${item.record.bytes}${item.record.newline ? '\n' : ''}`] : [],
    );
    expect(text.join('')).toBe('abc-**********\nend\n');
    const resumed = new LogFramer(framing, { stdout: 6, stderr: 0 });
    const rest = [...resumed.push('stdout', Buffer.from(written), 1), ...resumed.end(1)];
    expect(rest.map((item) => item.type === 'record' && item.record.bytes.toString())).toEqual([
      false,
      '********',
      'end',
    ]);
  });
});

describe('values that are masked', () => {
  test('are each secret, and each without the white space around it', () => {
    expect(maskedValues({ A: 'x\n', B: ' \n', C: 'y', D: 'y' })).toEqual(['x\n', 'x', ' \n', 'y']);
  });

  test('come back from their seal, with the same node key alone', () => {
    const key = maskKeyOf({ privateJwk: { d: 'AAAA' }, publicJwk: { kty: 'OKP', kid: 'k' } });
    const other = maskKeyOf({ privateJwk: { d: 'AAAB' }, publicJwk: { kty: 'OKP', kid: 'k' } });
    const sealed = sealValues(['grüße', 'b'], key);
    expect(sealed).not.toContain(Buffer.from('b').toString('base64'));
    expect(openValues(sealed, key).map(String)).toEqual(['grüße', 'b']);
    expect(() => openValues(sealed, other)).toThrow();
  });
});
