import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { JsonSyntaxError, parseJson, parseJsonBytes, readRecord } from './json.ts';

function refusal(text: string, options?: { maxDepth?: number }): JsonSyntaxError {
  try {
    parseJson(text, options);
  } catch (error) {
    if (error instanceof JsonSyntaxError) return error;
    throw error;
  }
  throw new Error(`not refused: ${text.slice(0, 80)}`);
}

/** The rules in their plainest form: every key of every object, from the text that fast-check built. */
type Node =
  | { kind: 'object'; entries: [string, Node][] }
  | { kind: 'array'; items: Node[] }
  | { kind: 'leaf'; value: string | number | boolean | null };

/** One escaped key of one character at most: V8 14.6 mistakes them for one another where they follow the same keys. */
const KEYS = ['a', 'b', '"a', '\\', '__proto__', 'constructor', ''];

const { node } = fc.letrec<{ node: Node }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 5, depthSize: 'small' },
    fc.record({
      kind: fc.constant('leaf' as const),
      value: fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.boolean(),
        fc.constant(null),
      ),
    }),
    fc.record({ kind: fc.constant('array' as const), items: fc.array(tie('node'), { maxLength: 4 }) }),
    fc.record({
      kind: fc.constant('object' as const),
      entries: fc.array(fc.tuple(fc.constantFrom(...KEYS), tie('node')), { maxLength: 4 }),
    }),
  ),
}));

function write(node: Node): string {
  if (node.kind === 'leaf') return JSON.stringify(node.value);
  if (node.kind === 'array') return `[ ${node.items.map(write).join(' ,')}]`;
  return `{${node.entries.map(([key, value]) => `${JSON.stringify(key)}\n: ${write(value)}`).join(', ')}}`;
}

function isClean(node: Node): boolean {
  if (node.kind === 'leaf') return true;
  if (node.kind === 'array') return node.items.every(isClean);
  const keys = node.entries.map(([key]) => key);
  return (
    !keys.includes('__proto__') &&
    new Set(keys).size === keys.length &&
    node.entries.every(([, value]) => isClean(value))
  );
}

describe('parseJson', () => {
  it('gives what JSON.parse gives for every clean document, and refuses every other', () => {
    fc.assert(
      fc.property(node, (document) => {
        const text = write(document);
        // As texts: Node's and Vitest's comparisons trip over objects with a key `constructor`.
        if (isClean(document)) expect(JSON.stringify(parseJson(text))).toBe(JSON.stringify(JSON.parse(text)));
        else expect(['JSON_DUPLICATE_KEY', 'JSON_PROTO_KEY']).toContain(refusal(text).code);
      }),
      { numRuns: 2000 },
    );
  });

  it('never throws anything but its own error, and takes nothing that JSON.parse refuses', () => {
    const pieces = fc.array(
      fc.constantFrom('{', '}', '[', ']', '"', ',', ':', '\\', 'a', '"a"', '1', 'null', ' ', '\\u0061', '\0'),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(pieces, (parts) => {
        const text = parts.join('');
        try {
          expect(parseJson(text)).toStrictEqual(JSON.parse(text));
        } catch (error) {
          expect(error).toBeInstanceOf(JsonSyntaxError);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('refuses a million brackets before parsing them', () => {
    expect(refusal('['.repeat(1_000_000))).toMatchObject({ code: 'JSON_TOO_DEEP', path: '[0][0][0][0]' });
    expect(refusal('{"a":'.repeat(1_000_000)).message).toBe('nested deeper than 64 levels at position 320');
  });

  it('takes exactly the depth that it is given', () => {
    expect(parseJson('[[[]]]', { maxDepth: 3 })).toStrictEqual([[[]]]);
    expect(refusal('[[[]]]', { maxDepth: 2 }).code).toBe('JSON_TOO_DEEP');
  });

  it('says where a key stands twice', () => {
    expect(refusal('{"jobs":[{},{"env":{"A":1,"A":2}}]}')).toMatchObject({
      code: 'JSON_DUPLICATE_KEY',
      path: 'jobs[1].env.A',
      message: 'the key "A" stands twice in one object, the second time at position 26',
    });
  });

  it('sees through escapes in keys', () => {
    expect(refusal('{"a":1,"\\u0061":2}').code).toBe('JSON_DUPLICATE_KEY');
    expect(refusal('{"__pr\\u006fto__":1}').code).toBe('JSON_PROTO_KEY');
  });

  it('finds a second key among thousands', () => {
    const keys = Array.from({ length: 5000 }, (_, i) => `"k${i}":0`).join(',');
    expect(parseJson(`{${keys}}`)).toHaveProperty('k4999', 0);
    expect(refusal(`{${keys},"k7":1}`)).toMatchObject({ code: 'JSON_DUPLICATE_KEY', path: 'k7' });
  });

  it('does not take values for keys', () => {
    expect(parseJson('{"a":"b","b":"a","c":["a","a"]}')).toStrictEqual({ a: 'b', b: 'a', c: ['a', 'a'] });
  });

  it('says what is wrong with a text that is not JSON', () => {
    expect(refusal('hello')).toMatchObject({ code: 'JSON_SYNTAX' });
    expect(refusal('{"a":1').message).toMatch(/^not valid JSON: /);
    expect(refusal('').message).toMatch(/^not valid JSON: /);
  });
});

describe('parseJsonBytes', () => {
  it('refuses bytes that are not UTF-8', () => {
    expect(() => parseJsonBytes(Uint8Array.of(0x22, 0xff, 0x22))).toThrow('not valid UTF-8');
  });

  it('reads UTF-8, with or without a byte order mark', () => {
    expect(parseJsonBytes(Buffer.from('"ä€😀"'))).toBe('ä€😀');
    expect(parseJsonBytes(Buffer.from('\uFEFF[1]'))).toStrictEqual([1]);
  });
});

describe('readRecord', () => {
  const record = z.object({ pool: z.string() });

  it('gives what is of the schema, and nothing for all else', () => {
    expect(readRecord(record, '{"pool":"a"}')).toEqual({ pool: 'a' });
    for (const text of ['', '{', 'null', '{"pool":1}', '[]'])
      expect(readRecord(record, text), text).toBeUndefined();
  });
});

it.each(['[{},{},{}]', '[[[[]]]]', '[1,2,3,4]', '{"a":1,"b":{"c":[]}}'])(
  'values are counted, empty ones too: %s has four or more',
  (text) => {
    expect(() => parseJson(text, { maxValues: 2 })).toThrow(/more than 2 values; send fewer at a time/);
    expect(parseJson(text, { maxValues: 9 })).toEqual(JSON.parse(text));
  },
);
