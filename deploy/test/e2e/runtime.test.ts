import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type JobInput, SPAN, spanIdFor } from '@cronium/contracts';
import { eventually } from '@cronium/testing';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type OtherSide, startOtherSide } from './chat-and-mail.ts';
import { type Example, examplesOf, patternOf } from './examples.ts';
import { TestFleet } from './harness.ts';
import { bash, script, WAIT_MS } from './jobs.ts';
import { pythonWithOpenTelemetry } from './python-opentelemetry.ts';

const ROOT = join(import.meta.dirname, '../../..');
const PAGE = readFileSync(join(ROOT, 'docs/runtime.md'), 'utf8');
const EXAMPLES = examplesOf(PAGE);
/** As the page says. */
const COMMON = {
  name: 'example',
  input: { name: 'Ada', items: [1, 2] },
  secrets: ['API_TOKEN'],
  labels: { team: 'data' },
};

let fleet: TestFleet;
let other: OtherSide;
let image: Awaited<ReturnType<typeof pythonWithOpenTelemetry>> | undefined;
beforeAll(async () => {
  const cold = { CRONIUM_POOLS: 'cold', CRONIUM_WARM_MEMORY: '0' };
  fleet = await TestFleet.start({ workers: [{}, {}, { env: cold }] });
  const { host, port } = fleet.webAddress;
  other = await startOtherSide({ host, port });
  const webhookUrl = `http://${host}:${port}/hook`;
  await put('/v1/secrets/API_TOKEN', { value: 'open sesame!' });
  await put('/v1/credentials/slack', { tool: 'slack', webhookUrl });
  await put('/v1/credentials/discord', { tool: 'discord', webhookUrl });
  const mailbox = { tool: 'email', host: '127.0.0.1', port: other.mailPort, from: 'fleet@example.com' };
  await put('/v1/credentials/email', mailbox);
});
afterAll(async () => {
  await other?.[Symbol.asyncDispose]();
  await fleet?.[Symbol.asyncDispose]();
  // Containers of it stood ready as long as there was the fleet.
  await image?.[Symbol.asyncDispose]();
});

async function put(path: string, body: unknown): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fleet.request(path, { method: 'PUT', headers, body: JSON.stringify(body) });
  expect([path, answer.status]).toEqual([path, 204]);
}

const webServer = () => `${fleet.webAddress.host}:${fleet.webAddress.port}`;
const LANGUAGES = { bash: 'bash', python: 'python', js: 'node' } as const;

function jobOf({ language, source }: Example): JobInput {
  if (language !== 'json') return script(LANGUAGES[language], source, COMMON);
  return { ...COMMON, ...JSON.parse(source.replaceAll('WEB_SERVER', webServer())) };
}

describe.concurrent('the examples of docs/runtime.md', () => {
  test.each(EXAMPLES.map((example) => [`line ${example.line}, ${example.language}`, example] as const))(
    '%s',
    async (_, example) => {
      const job = await fleet.run(jobOf(example));
      const log = (await fleet.log(job.id)).toString();
      expect({ log, state: job.state }).toEqual({
        log: expect.stringMatching(patternOf(example.log.replaceAll('WEB_SERVER', webServer()))),
        state: 'succeeded',
      });
    },
  );
});

describe('docs/runtime.md', () => {
  const shown = (language: Example['language']) =>
    EXAMPLES.filter((example) => example.language === language)
      .map(({ source }) => source)
      .join('\n');
  const helper = (path: string) => readFileSync(join(ROOT, 'images/helpers', path), 'utf8');

  test('has an example for each helper in each language', () => {
    const bashNames = [...helper('bash/cronium.sh').matchAll(/^(cronium_\w+)\(\)/gm)].map(([, name]) => name);
    const pythonNames = [...helper('python/cronium.py').matchAll(/^def ([a-z]\w*)\(/gm)].map(
      ([, name]) => name,
    );
    const load = createRequire(import.meta.url);
    const nodeNames = Object.keys(load(join(ROOT, 'images/helpers/node/cronium.cjs')));
    expect([bashNames.length, pythonNames.length, nodeNames.length]).toEqual([19, 20, 21]);
    expect(bashNames.filter((name) => !shown('bash').includes(`${name}`))).toEqual([]);
    expect(pythonNames.filter((name) => !shown('python').includes(`.${name}(`))).toEqual([]);
    expect(nodeNames.filter((name) => !new RegExp(`\\b${name}\\b`).test(shown('js')))).toEqual([]);
  });
});

test(
  '50 jobs on two workers that add 100 times each end at 5,000',
  async () => {
    const source = `import cronium from 'cronium';
for (let n = 0; n < 100; n++) await cronium.incrementVariable('five thousand');`;
    const jobs = Array.from({ length: 50 }, () => script('node', source, { resources: { memoryMiB: 128 } }));
    const { batchId } = await fleet.client.submitBatch(jobs);
    const list = await fleet.client.waitForBatch(batchId, { timeoutMs: 3 * WAIT_MS });
    expect(list.counts.succeeded).toBe(50);
    const nodes = new Set(
      (await Array.fromAsync(fleet.client.jobs({ batch: batchId }))).map(({ node }) => node),
    );
    expect(nodes.size).toBe(2);
    const answer = await fleet.request(`/v1/variables/${encodeURIComponent('five thousand')}`);
    expect(await answer.json()).toMatchObject({ value: 5000, version: 5000 });
    // Each is a commit of its own: a very busy disk takes its time.
  },
  4 * WAIT_MS,
);

describe.concurrent('who a job is', () => {
  const claims =
    'printf %s "$CRONIUM_EXECUTION_TOKEN" | cut -d. -f2 | tr _- /+ | base64 -d 2>/dev/null | jq -r .executionId';
  const NODE = `import cronium from 'cronium';
const [, claims] = process.env.CRONIUM_EXECUTION_TOKEN.split('.');
const { executionId } = JSON.parse(Buffer.from(claims, 'base64url'));
console.log(cronium.info().executionId, executionId, await cronium.eventField('executionId'));`;
  const PYTHON = `import base64, cronium, json, os, sys
claims = os.environ["CRONIUM_EXECUTION_TOKEN"].split(".")[1]
claims = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
print(cronium.info()["executionId"], claims["executionId"], cronium.event_field("executionId"))`;
  /** Runs it, fails, and is run again; how the containers of both attempts were started. */
  const namesItself = async (job: JobInput): Promise<unknown[]> => {
    const retry = { attempts: 2, backoff: { type: 'fixed', delaySeconds: 0 } } as const;
    const { id, attempts } = await fleet.run({ ...job, retry });
    expect(attempts).toBe(2);
    for (const attempt of ['1', '2']) {
      const own = `${id}.${attempt}`;
      expect((await fleet.log(id, { attempt })).toString()).toBe(`${own} ${own} ${own}\n`);
    }
    const { spans } = await fleet.client.trace(id);
    return spans.flatMap(({ attributes }) => attributes['cronium.start'] ?? []);
  };
  test.each([
    [
      'bash',
      `. cronium.sh; echo $(cronium_info | jq -r .executionId) $(${claims}) $(cronium_event_field executionId)`,
      'exit 1',
    ],
    ['python', PYTHON, 'sys.exit(1)'],
    ['node', NODE, 'process.exitCode = 1;'],
  ] as const)(
    '%s: environment, token and runtime API name the same attempt, at the first try and the next, cold and warm',
    async (language, source, fail) => {
      const job = script(language, `${source}\n${fail}`);
      expect(await namesItself({ ...job, pool: 'cold' })).toEqual(['cold', 'cold']);
      // What is kept warm is learned from the jobs that come.
      const isWarm = async () => (await namesItself(job)).filter((start) => start === 'warm').length === 2;
      await eventually(isWarm, { what: 'both attempts start warm', timeoutMs: WAIT_MS });
    },
  );
});

/** Its spans stand below the run span of the job's only attempt. */
async function expectOwnSpans(job: JobInput): Promise<void> {
  const { id, state } = await fleet.run({ ...job, name: 'traced' });
  expect([state, (await fleet.log(id)).toString()]).toEqual(['succeeded', '']);
  const { traceId, spans } = await fleet.client.trace(id);
  const [outer, inner] = ['outer', 'inner'].map((name) => spans.find((span) => span.name === name));
  const parentSpanId = spanIdFor(`${id}.1`, SPAN.run);
  expect(outer).toMatchObject({ traceId, service: 'traced', parentSpanId });
  expect(inner).toMatchObject({ traceId, parentSpanId: outer?.spanId });
}

const stockSdk = (extension: string) => join(ROOT, `libs/telemetry/src/fixtures/stock-sdk-job.${extension}`);

test('a Node.js script with a stock OpenTelemetry SDK has its spans below the attempt’s run span', async () => {
  await expectOwnSpans(script('node', await bundled(stockSdk('ts'))));
});

test('so has a Python script, in an image that has the SDK', async () => {
  image = await pythonWithOpenTelemetry();
  const job = script('python', readFileSync(stockSdk('py'), 'utf8'));
  await expectOwnSpans({ ...job, image: image.tag } as JobInput);
});

/** A script with the packages that it imports, as its author would bundle it. */
async function bundled(file: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [file],
    bundle: true,
    write: false,
    minify: true,
    platform: 'node',
    format: 'esm',
    banner: { js: "import { createRequire as c } from 'node:module'; const require = c('/workspace/');" },
  });
  return outputFiles[0]?.text ?? '';
}

test('the script of the tenant runs before all jobs, in any image; its failure is named, and nothing else runs', async () => {
  await put('/v1/pre-task', { source: 'echo "before $CRONIUM_JOB_TYPE"; echo x > /tmp/left' });
  const first = await fleet.run(bash('cat /tmp/left; echo main', { setup: 'echo setup' }));
  expect((await fleet.log(first.id)).toString()).toBe('before script\nsetup\nx\nmain\n');
  expect(first.timings).toMatchObject({ tenantPreTask: expect.any(Number), setup: expect.any(Number) });
  const { spans } = await fleet.client.trace(first.id);
  expect(spans.map(({ name }) => name)).toContain(SPAN.tenantPreTask);
  await put('/v1/pre-task', { source: 'echo no; exit 7' });
  const second = await fleet.run({ type: 'http', http: { url: `http://${webServer()}/` } });
  expect((await fleet.log(second.id)).toString()).toBe('no\n');
  expect(await fleet.death(second.id)).toMatchObject({
    cause: 'setup',
    phase: 'preTask',
    exitCode: 7,
    message: expect.stringContaining("tenant's pre-task"),
  });
  expect((await fleet.request('/v1/pre-task', { method: 'DELETE' })).status).toBe(204);
});
