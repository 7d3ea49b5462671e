import { expect } from 'vitest';
import { ATTEMPT, CONTEXT, INPUT, JOB } from './fixture.ts';
import type { Step } from './helper-scripts.ts';

export const TRACEPARENT = '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01';

const NESTED = { list: [1, 'two', null, { three: [true, -0.5, 1e21] }], 'a b': { '': '' } };
const VALUES: unknown[] = [
  false,
  0,
  '',
  null,
  true,
  'true',
  'null',
  '-',
  '{"not":"parsed"}',
  ' spaces and\na line feed\n',
  'quotes \' " \\ $HOME `id` $(id)',
  '🚀 naïve ✓',
  -12.5,
  [],
  {},
  NESTED,
  'x'.repeat(1024 * 1024),
];
const KEYS = [
  'plain',
  'a/b/c',
  'with space',
  '100%',
  'a%2Fb',
  '?q=1&r#s',
  '🚀',
  '..a',
  '-n',
  '--json',
  "it's",
];

/** Sets a variable to anything. */
export const set = (key: string, value: unknown): Step => ({
  call: 'setVariable',
  args: [key, value],
  bash: ['--json', '--', key, JSON.stringify(value)],
  isSilentInBash: true,
  gives: expect.toSatisfy((version) => version === null || Number.isInteger(version)),
});
const get = (key: string, value: unknown): Step => ({
  call: 'getVariable',
  args: [key],
  bash: ['--json', '--', key],
  gives: value,
});

/** What every language must do alike. */
export const TABLE: readonly Step[] = [
  { call: 'input', args: [], gives: INPUT },
  { call: 'event', args: [], gives: CONTEXT },
  { call: 'eventField', args: ['name'], isText: true, gives: CONTEXT.name },
  { call: 'eventField', args: ['labels'], gives: CONTEXT.labels },
  { call: 'eventField', args: ['absent'], gives: null },
  ...VALUES.flatMap((value, i) => [set(`value-${i}`, value), get(`value-${i}`, value)]),
  ...KEYS.flatMap((key) => [set(key, key), get(key, key)]),
  ...VALUES.map(
    (value): Step => ({
      call: 'output',
      args: [value],
      bash: ['--json', JSON.stringify(value)],
      gives: null,
    }),
  ),
  get('missing', null),
  { call: 'getVariable', args: ['missing', 'fallback'], isText: true, gives: 'fallback' },
  { call: 'getVariable', args: ['value-0', 'fallback'], gives: false },
  { call: 'setVariable', args: ['..', 1], fails: /key/ },
  { call: 'deleteVariable', args: ['plain'], gives: null },
  { call: 'deleteVariable', args: ['plain'], gives: null },
  get('plain', null),
  { call: 'incrementVariable', args: ['n'], gives: 1 },
  { call: 'incrementVariable', args: ['n', 2.5], gives: 3.5 },
  { call: 'appendVariable', args: ['log', 'a'], isText: true, gives: 'a' },
  { call: 'appendVariable', args: ['log', '\'b"', '\n, '], isText: true, gives: 'a\n, \'b"' },
  { call: 'appendVariable', args: ['long', 'y'.repeat(300_000)], isText: true, gives: 'y'.repeat(300_000) },
  ...comparedAndSet(),
  { call: 'setCondition', args: [false], gives: null },
  { call: 'progress', args: [12.5, 'an eighth'], gives: null },
  { call: 'progress', args: [100], gives: null },
  { call: 'progress', args: [101], fails: /400 .*percent/s },
  { call: 'secret', args: ['TOKEN'], isText: true, gives: expect.stringMatching(/^ s3cr€t\n"x"$/) },
  { call: 'secret', args: ['OTHER'], fails: /403 .*OTHER/ },
  ...artifacts(),
  ...tools(),
  {
    call: 'info',
    args: [],
    gives: {
      jobId: JOB,
      executionId: ATTEMPT,
      jobType: 'script',
      executionMode: 'container',
      runtimeApi: expect.stringMatching(/^http:/),
      traceparent: TRACEPARENT,
    },
  },
];

function comparedAndSet(): Step[] {
  const versioned = (version: number, value: number): Step => ({
    call: 'setVariable',
    args: ['cas', value, { ifVersion: version }],
    named: { if_version: version },
    bash: ['--json', '--if-version', String(version), 'cas', String(value)],
  });
  return [
    {
      ...versioned(0, 10),
      isSilentInBash: true,
      gives: expect.toSatisfy((version) => version === null || version === 1),
    },
    { ...versioned(5, 11), fails: /409 cas is at version 1/ },
    get('cas', 10),
  ];
}

function artifacts(): Step[] {
  const stored = (path: string) => ({
    path,
    bytes: 6,
    sha256: '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03',
  });
  return [
    { call: 'artifact', args: ['./out/a file.txt'], gives: stored('out/a file.txt') },
    { call: 'artifact', args: ['out/a file.txt', 'named/ä.txt'], gives: stored('named/ä.txt') },
    { call: 'artifact', args: ['out/a file.txt', '../up'], fails: /400 .*relative path/ },
  ];
}

function tools(): Step[] {
  const gives = { status: 200, answer: 'ok' };
  const email = ['a@example.com', 'Hi "you"', 'line\nline'];
  return [
    {
      call: 'executeToolAction',
      args: ['slack', 'send', { text: 'x' }],
      bash: ['slack', 'send', '{"text":"x"}'],
      gives,
    },
    { call: 'executeToolAction', args: ['fax', 'send'], fails: /400 .*tool/s },
    { call: 'sendEmail', args: email, gives },
    {
      call: 'sendEmail',
      args: [...email, { credential: 'office' }],
      named: { credential: 'office' },
      bash: [...email, 'office'],
      gives,
    },
    { call: 'sendSlackMessage', args: ['hi'], gives },
    { call: 'sendDiscordMessage', args: ['hi'], gives },
  ];
}
