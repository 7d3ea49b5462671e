import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { RUNTIME_PORT } from '@cronium/contracts';
import { expect, test } from 'vitest';
import { ATTEMPT, boundSidecar, CONTEXT, claimsOf, type Fixture, INPUT, JOB } from './testing/fixture.ts';
import {
  asyncPythonScript,
  bashScript,
  commonJsScript,
  moduleScript,
  type Outcome,
  pythonScript,
  type Script,
  type Step,
} from './testing/helper-scripts.ts';
import { storeVariables } from './testing/stored-results.ts';

const TRACEPARENT = '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01';
const HELPERS = fileURLToPath(new URL('../../../images/helpers', import.meta.url));
const run = promisify(execFile);

interface Language {
  readonly name: string;
  readonly file: string;
  readonly command: string;
  readonly script: Script;
}
const LANGUAGES: readonly Language[] = [
  { name: 'Bash', file: 'job.sh', command: 'bash', script: bashScript },
  { name: 'Python', file: 'job.py', command: 'python3', script: pythonScript },
  { name: 'Python with asyncio', file: 'job.py', command: 'python3', script: asyncPythonScript },
  { name: 'Node, ES module', file: 'job.mjs', command: process.execPath, script: moduleScript },
  { name: 'Node, CommonJS', file: 'job.cjs', command: process.execPath, script: commonJsScript },
];

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

const set = (key: string, value: unknown): Step => ({
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

const TABLE: readonly Step[] = [
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

/** The steps of the table that write. */
const WRITES = TABLE.filter(
  ({ call, fails }) => !/^(get|input|event|info|secret)/.test(call) && fails === undefined,
);

/** Runs steps as a job of a language would; gives each one's outcome. */
async function outcomes(
  language: Language,
  steps: readonly Step[],
  sidecar: { url: string; token: string },
): Promise<Outcome[]> {
  const work = await mkdtemp(join(tmpdir(), 'helpers-'));
  try {
    await mkdir(join(work, 'out'));
    await mkdir(join(work, 'node_modules'));
    await symlink(join(HELPERS, 'node'), join(work, 'node_modules/cronium'));
    await writeFile(join(work, 'out/a file.txt'), 'hello\n');
    await writeFile(join(work, language.file), language.script(steps));
    const env = {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      HELPERS,
      WORK: work,
      PYTHONDONTWRITEBYTECODE: '1',
      TRACEPARENT,
      CRONIUM_JOB_ID: JOB,
      CRONIUM_JOB_TYPE: 'script',
      CRONIUM_EXECUTION_MODE: 'container',
      CRONIUM_EXECUTION_ID: ATTEMPT,
      CRONIUM_EXECUTION_TOKEN: sidecar.token,
      CRONIUM_RUNTIME_API: sidecar.url,
      // Not for the runtime API, whatever the job's own requests go through.
      http_proxy: 'http://127.0.0.1:1',
      HTTP_PROXY: 'http://127.0.0.1:1',
      NODE_USE_ENV_PROXY: '1',
    };
    const { stdout } = await run(language.command, [join(work, language.file)], {
      cwd: work,
      env,
      maxBuffer: 2 ** 28,
    });
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  } finally {
    await rm(work, { recursive: true });
  }
}

const through = (fixture: Fixture) => ({
  url: `http://${fixture.address}:${RUNTIME_PORT}`,
  token: fixture.token,
});
const expected = ({ gives, fails }: Step): unknown =>
  fails === undefined ? { value: gives } : { error: expect.stringMatching(fails) };

test.concurrent.each(LANGUAGES)('the table of cases: $name', async (language) => {
  await using fixture = await boundSidecar();
  storeVariables(fixture.results);
  const found = await outcomes(language, TABLE, through(fixture));
  expect(found).toHaveLength(TABLE.length);
  for (const [i, step] of TABLE.entries()) {
    expect({ step: `${step.call} ${JSON.stringify(step.args).slice(0, 80)}`, ...found[i] }).toEqual({
      step: expect.any(String),
      ...(expected(step) as object),
    });
  }
});

/** What a table's steps asked of results, whatever each language's JSON looks like. */
function asked(fixture: Fixture): unknown[] {
  return fixture.results.received
    .filter(({ method }) => method !== 'GET')
    .map(({ method, url, headers, body }) => ({
      method,
      url,
      type: headers['content-type'],
      body: url.includes('/artifacts/') ? body.toString() : JSON.parse(body.toString() || 'null'),
    }));
}

test('all languages ask for the same things, each under a key of its own', async () => {
  const asks = await Promise.all(
    LANGUAGES.map(async (language) => {
      await using fixture = await boundSidecar();
      storeVariables(fixture.results);
      await outcomes(language, WRITES, through(fixture));
      const keys = fixture.results.received.map(({ headers }) => headers['idempotency-key']);
      expect(
        fixture.results.received.filter(({ headers }, i) => keys.indexOf(headers['idempotency-key']) !== i),
      ).toEqual([]);
      expect(keys).not.toContain(undefined);
      return asked(fixture);
    }),
  );
  expect(asks[0]?.length).toBeGreaterThan(5);
  for (const ask of asks) {
    for (const [i, one] of ask.entries()) expect(one).toEqual(asks[0]?.[i]);
    expect(ask).toHaveLength(asks[0]?.length ?? 0);
  }
});

test.concurrent.each(LANGUAGES)('trouble: $name', async (language) => {
  // A sidecar without patience, so that the helpers' own retry is seen.
  await using fixture = await boundSidecar({ limits: { patienceMs: 0 } });
  const fine: Step = { call: 'incrementVariable', args: ['n'], gives: 1 };
  const data = { status: 200, json: { success: true, data: { key: 'n', value: 1, version: 1 } } } as const;
  const away = { status: 503, json: { status: 503, detail: 'away' } } as const;
  fixture.results.next.push(away, data);
  fixture.results.next.push('drop', away, data);
  fixture.results.next.push(away, away, { status: 500, json: { detail: 'broken' } });
  fixture.results.next.push({ status: 418, json: { detail: 'a teapot' } });
  const steps = [fine, fine, { ...fine, fails: /503|500 broken/ }, { ...fine, fails: /418 a teapot/ }];
  const found = await outcomes(language, steps, through(fixture));
  expect(found).toEqual(steps.map(expected));
  const keys = fixture.results.received.map(({ headers }) => headers['idempotency-key']);
  // Two tries, three, three, and one that is not worth another; all tries of a call have its key.
  const [a, b, c, d] = [keys[0], keys[2], keys[5], keys[8]];
  expect(keys).toEqual([a, a, b, b, b, c, c, c, d]);
  expect(new Set([a, b, c, d]).size).toBe(4);
});

test.concurrent.each(LANGUAGES)('nobody there, a wrong token, a slow answer: $name', async (language) => {
  await using fixture = await boundSidecar();
  storeVariables(fixture.results);
  const input: Step = { call: 'input', args: [] };
  const nobody = { ...through(fixture), url: 'http://127.0.0.1:1' };
  const stranger = { ...through(fixture), token: await fixture.sign(claimsOf('job_ABCDEFGHIJKL.1')) };
  const ask = (step: Step, sidecar: { url: string; token: string }) => outcomes(language, [step], sidecar);
  expect(await ask(input, nobody)).toEqual([
    { error: expect.stringMatching(/no answer after 3 tries: .*refused/i) },
  ]);
  expect(await ask(input, stranger)).toEqual([{ error: expect.stringMatching(/403 .*job_ABCDEFGHIJKL\.1/) }]);
  fixture.results.delayMs = 1500;
  expect(await ask(set('slow', 1), through(fixture))).toEqual([{ value: set('slow', 1).gives }]);
});
