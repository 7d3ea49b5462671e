import { RUNTIME_PORT } from '@cronium/contracts';
import { expect, test, vi } from 'vitest';
import { ATTEMPT, boundSidecar, claimsOf, type Fixture, JOB } from './testing/fixture.ts';
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
import { set, TABLE, TRACEPARENT } from './testing/helper-table.ts';
import { type Place, runInImage } from './testing/job-container.ts';
import { storeVariables } from './testing/stored-results.ts';

// The Bash helper starts several programs for each call.
vi.setConfig({ testTimeout: 300_000 });

interface Language extends Place {
  readonly name: string;
  readonly script: Script;
}
const LANGUAGES: readonly Language[] = [
  { name: 'Bash', image: 'bash', file: 'job.sh', command: 'bash', script: bashScript },
  { name: 'Python', image: 'python', file: 'job.py', command: 'python3', script: pythonScript },
  {
    name: 'Python with asyncio',
    image: 'python',
    file: 'job.py',
    command: 'python3',
    script: asyncPythonScript,
  },
  { name: 'Node, ES module', image: 'node', file: 'job.mjs', command: 'node', script: moduleScript },
  { name: 'Node, CommonJS', image: 'node', file: 'job.cjs', command: 'node', script: commonJsScript },
];

/** The steps of the table that write. */
const WRITES = TABLE.filter(
  ({ call, fails }) => !/^(get|input|event|info|secret)/.test(call) && fails === undefined,
);

/** Runs steps in a container as a job of a language would; gives each one's outcome. */
async function outcomes(
  language: Language,
  steps: readonly Step[],
  sidecar: { url: string; token: string },
): Promise<Outcome[]> {
  const env = {
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
  const printed = await runInImage(language, language.script(steps), env);
  return printed
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
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

test.concurrent.each(LANGUAGES)('an artifact outlasts two outages: $name', async (language) => {
  await using fixture = await boundSidecar();
  storeVariables(fixture.results);
  const away = Array.from({ length: 6 }, () => ({ status: 503, json: { detail: 'away' } }));
  fixture.results.nextReady.push(...away, { status: 200 }, ...away);
  fixture.results.next.push('drop');
  const steps = TABLE.filter(({ call, fails }) => call === 'artifact' && fails === undefined);
  expect(await outcomes(language, steps, through(fixture))).toEqual(steps.map(expected));
});

const MANY = {
  'Node, ES module': `import cronium from 'cronium';
const calls = Array.from({ length: 1000 }, () => cronium.incrementVariable('many'));
console.log(JSON.stringify({ value: Math.max(...(await Promise.all(calls))) }));`,
  'Python with asyncio': `import asyncio, json
from cronium import aio
async def main():
    values = await asyncio.gather(*(aio.increment_variable("many") for _ in range(1000)))
    print(json.dumps({"value": max(values)}))
asyncio.run(main())`,
} as const;

test.concurrent.each(Object.entries(MANY))(
  'a thousand calls at once, more than a sidecar has connections: %s',
  async (name, source) => {
    await using fixture = await boundSidecar();
    storeVariables(fixture.results);
    fixture.results.delayMs = 50;
    const language = LANGUAGES.find((one) => one.name === name) as Language;
    const found = await outcomes({ ...language, script: () => source }, [], through(fixture));
    expect(found).toEqual([{ value: 1000 }]);
  },
);

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
