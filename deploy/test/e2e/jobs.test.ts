import { createServer } from 'node:http';
import type { JobInput } from '@cronium/contracts';
import { eventually } from '@cronium/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { IMAGE_TAGS } from '../../local/bootstrap.ts';
import { TestFleet } from './harness.ts';
import { bash, script, WAIT_MS } from './jobs.ts';
import { listening } from './listening.ts';

let fleet: TestFleet;
beforeAll(async () => {
  // Time enough to store what a job left that was told to stop.
  fleet = await TestFleet.start({ env: { CRONIUM_STOP_GRACE_SECONDS: '15' } });
});
afterAll(() => fleet?.[Symbol.asyncDispose]());

const text = async (id: string, query?: Record<string, string>) => (await fleet.log(id, query)).toString();

/** Each language's way to say the same: read the input, change a variable, set output and condition. */
const HELPERS: Readonly<Record<'bash' | 'python' | 'node', string>> = {
  bash: `
set -e
. /usr/local/bin/cronium.sh
key=$(cronium_input .key)
cronium_set_variable --json "$key" 40
total=$(cronium_increment_variable "$key" 2)
cronium_variable_exists "$key-missing" && exit 1
for value in false 0 '""' null '{"a":[1]}'; do
  cronium_set_variable --json "$key-kept" "$value"
  kept="\${kept:+$kept,}$(curl -s -H "Authorization: Bearer $CRONIUM_EXECUTION_TOKEN" "$CRONIUM_RUNTIME_API/executions/$CRONIUM_EXECUTION_ID/variables/$key-kept" | jq -c .data.value)"
done
cronium_set_condition false
cronium_output "{\\"greeting\\":\\"hello $(cronium_input .name)\\",\\"total\\":$total,\\"kept\\":[$kept],\\"attempt\\":$(cronium_event_field attempt)}"`,
  python: `
import cronium
given = cronium.input()
key = given["key"]
cronium.set_variable(key, 40)
total = cronium.increment_variable(key, 2)
assert not cronium.variable_exists(key + "-missing")
kept = []
for value in (False, 0, "", None, {"a": [1]}):
    cronium.set_variable(key + "-kept", value)
    kept.append(cronium.get_variable(key + "-kept", "absent"))
cronium.set_condition(False)
cronium.output({"greeting": "hello " + given["name"], "total": total, "kept": kept, "attempt": cronium.event_field("attempt")})`,
  node: `
import * as cronium from 'cronium';
const { key, name } = await cronium.input();
await cronium.setVariable(key, 40);
const total = await cronium.incrementVariable(key, 2);
if (await cronium.variableExists(key + '-missing')) process.exit(1);
const kept = [];
for (const value of [false, 0, '', null, { a: [1] }]) {
  await cronium.setVariable(key + '-kept', value);
  kept.push(await cronium.getVariable(key + '-kept', 'absent'));
}
await cronium.setCondition(false);
await cronium.output({ greeting: 'hello ' + name, total, kept, attempt: await cronium.eventField('attempt') });`,
};

describe.concurrent('scripts', () => {
  test.each(['bash', 'python', 'node'] as const)(
    '%s: input, variables, condition and output',
    async (language) => {
      const key = `total-${language}`;
      const job = await fleet.run(script(language, HELPERS[language], { input: { name: 'Ada', key } }));
      expect(await text(job.id, { stream: 'stderr' })).toBe('');
      expect(job).toMatchObject({
        state: 'succeeded',
        exitCode: 0,
        attempts: 1,
        condition: false,
        cause: null,
      });
      expect(job.output).toEqual({
        greeting: 'hello Ada',
        total: 42,
        kept: [false, 0, '', null, { a: [1] }],
        attempt: 1,
      });
      const variable = await fleet.request(`/v1/variables/${key}`);
      expect(await variable.json()).toMatchObject({ key, value: 42 });
    },
  );

  test.each([
    ['bash', 'echo out; echo err >&2; exit 3'],
    ['python', 'import sys; print("out"); print("err", file=sys.stderr); sys.exit(3)'],
    ['node', 'console.log("out"); console.error("err"); process.exit(3)'],
    [
      'node',
      'const { log, error } = require("node:console"); log("out"); error("err"); process.exitCode = 3',
    ],
  ] as const)('%s: %s', async (language, source) => {
    const job = await fleet.run(script(language, source));
    expect(job).toMatchObject({ state: 'failed', exitCode: 3, cause: 'exit' });
    expect(await text(job.id, { stream: 'stdout' })).toBe('out\n');
    expect(await text(job.id, { stream: 'stderr' })).toBe('err\n');
  });

  test('Bash goes on after a failing command, as without -e', async () => {
    const job = await fleet.run(bash('false; cat /nowhere; echo still here'));
    expect(job.state).toBe('succeeded');
    expect(await text(job.id, { stream: 'stdout' })).toBe('still here\n');
  });

  test('text passes unchanged: quotes, line breaks, dollars, other alphabets, a megabyte of script', async () => {
    const env = { ODD: `a'b"c\\d $HOME \`id\` \n über 日本 ${'😀'.repeat(3)}`, EMPTY: '' };
    const source = `printf '%s|%s|' "$ODD" "$EMPTY"; echo 'it'"'"'s "$HOME"'\n#${'x'.repeat(1_000_000)}`;
    const job = await fleet.run(bash(source, { env }));
    expect(await text(job.id)).toBe(`${env.ODD}||it's "$HOME"\n`);
  });

  test('a secret that the job names reaches it, another does not', async () => {
    for (const name of ['GIVEN', 'OTHER']) {
      const headers = { 'content-type': 'application/json' };
      const body = JSON.stringify({ value: `value of ${name}` });
      expect((await fleet.request(`/v1/secrets/${name}`, { method: 'PUT', headers, body })).status).toBe(204);
    }
    const source =
      '. cronium.sh; cronium_secret GIVEN; cronium_secret OTHER || echo refused; cronium_output "$(cronium_secret GIVEN)"';
    const job = await fleet.run(bash(source, { secrets: ['GIVEN'] }));
    expect(job.output).toBe('value of GIVEN');
    expect(await text(job.id, { stream: 'stdout' })).toBe('**************\nrefused\n');
  });
});

describe.concurrent('other types', () => {
  test('a container runs its command with its arguments and environment, unquoted by any shell', async () => {
    const job = await fleet.run({
      type: 'container',
      image: IMAGE_TAGS.jobBash,
      command: ['/bin/bash', '-c'],
      args: ['printf "%s|" "$0" "$@" "$A"; id -u; exit 4', 'zero', "it's $HOME", ''],
      env: { A: '*' },
    });
    expect(job).toMatchObject({ state: 'failed', exitCode: 4, cause: 'exit' });
    expect(await text(job.id)).toBe("zero|it's $HOME||*|1000\n");
  });

  test('a container whose program does not exist fails because of its image', async () => {
    const job = await fleet.run({ type: 'container', image: IMAGE_TAGS.jobBash, command: ['/no/such'] });
    expect(job).toMatchObject({ state: 'failed', exitCode: 127, cause: 'image' });
  });

  test('an http job makes the response its output, and an unexpected status its failure', async () => {
    await using server = await listening(
      createServer((request, response) => {
        response.statusCode = request.url === '/gone' ? 410 : 200;
        request.pipe(response);
      }),
      fleet.webAddress,
    );
    const url = `http://${fleet.webAddress.host}:${server.port}`;
    const http = {
      method: 'POST',
      url: `${url}/echo`,
      headers: { 'content-type': 'text/plain' },
      body: 'ping',
    } as const;
    const [good, bad, expected] = await Promise.all([
      fleet.run({ type: 'http', http }),
      fleet.run({ type: 'http', http: { url: `${url}/gone` } }),
      fleet.run({ type: 'http', http: { url: `${url}/gone`, expectStatus: [410] } }),
    ]);
    expect(good).toMatchObject({ state: 'succeeded', output: { status: 200, body: 'ping' } });
    expect(bad).toMatchObject({ state: 'failed', exitCode: 1, output: { status: 410 } });
    expect(expected).toMatchObject({ state: 'succeeded', output: { status: 410 } });
  });

  test('a tool job calls the tool with a stored credential; the tool’s failure is the job’s', async () => {
    const received: unknown[] = [];
    await using server = await listening(
      createServer(async (request, response) => {
        received.push(JSON.parse(Buffer.concat(await Array.fromAsync(request)).toString()));
        response.statusCode = request.url === '/broken' ? 500 : 200;
        response.end('ok');
      }),
    );
    for (const [name, path] of [
      ['good', 'hook'],
      ['bad', 'broken'],
    ]) {
      const body = JSON.stringify({ tool: 'slack', webhookUrl: `http://127.0.0.1:${server.port}/${path}` });
      const headers = { 'content-type': 'application/json' };
      const answer = await fleet.request(`/v1/credentials/${name}`, { method: 'PUT', headers, body });
      expect(answer.status).toBe(204);
    }
    const tool = (credential: string): JobInput => ({
      type: 'tool',
      tool: { tool: 'slack', action: 'send_message', params: { text: `by ${credential}` }, credential },
    });
    const [good, bad] = await Promise.all([fleet.run(tool('good')), fleet.run(tool('bad'))]);
    expect(good.state, await text(good.id)).toBe('succeeded');
    expect(bad.state).toBe('failed');
    expect(await text(bad.id)).toContain('500');
    expect(received).toContainEqual({ text: 'by good' });
  });
});

describe.concurrent('phases', () => {
  test('setup, preTask and main run in order, in one workspace, each with its own time', async () => {
    const job = await fleet.run(
      bash('echo main: $(cat order)', {
        setup: 'echo -n s >>order; echo setup',
        preTask: 'echo -n p >>order; echo pre',
      }),
    );
    expect(job.state).toBe('succeeded');
    expect(await text(job.id)).toBe('setup\npre\nmain: sp\n');
    expect(job.timings).toMatchObject({
      setup: expect.any(Number),
      preTask: expect.any(Number),
      run: expect.any(Number),
    });
  });

  test.each(['setup', 'preTask'] as const)(
    'a failing %s ends the attempt; main never runs',
    async (phase) => {
      const job = await fleet.run(bash('echo main', { [phase]: 'echo broken >&2; exit 7' }));
      expect(job).toMatchObject({ state: 'failed', cause: 'setup' });
      expect(await text(job.id)).toBe('broken\n');
      const death = await fleet.death(job.id);
      expect(death).toMatchObject({ attempt: 1, cause: 'setup', certainty: 'certain', phase, exitCode: 7 });
      expect(death.evidence.logTail).toEqual(['broken']);
    },
  );

  test('the time of setup does not count against the job’s timeout', async () => {
    const job = await fleet.run(bash('echo done', { setup: 'sleep 11', timeoutSeconds: 10 }));
    expect(job.state).toBe('succeeded');
  });
});

describe.concurrent('artifacts that a job names by patterns', () => {
  const paths = async (id: string) =>
    (await fleet.client.explore.artifacts(id)).map(({ path }) => path).sort();

  test('are stored when it has ended, also when it failed; links, devices and other folders are not', async () => {
    const source = `
mkdir -p out/deep 'out/a b' other
printf one >out/one.txt; printf two >'out/deep/zwei ü%.bin'; : >'out/a b/empty'
printf no >other/no.txt; printf note >note.md
ln -s /etc/passwd out/link; ln -s /etc out/etc; mkfifo out/pipe
exit 3`;
    const job = await fleet.run(bash(source, { artifacts: ['out/**', '*.md', 'other/*.csv'] }));
    expect(job).toMatchObject({ state: 'failed', exitCode: 3 });
    expect(await paths(job.id)).toEqual(['note.md', 'out/a b/empty', 'out/deep/zwei ü%.bin', 'out/one.txt']);
    const [, empty, two] = await fleet.client.explore.artifacts(job.id);
    expect([empty?.bytes, two?.bytes, await text(job.id)]).toEqual([0, 3, '']);
  });

  test('that are too large are named, and cost the job its success; the others are there', async () => {
    const source = 'echo small >a.small; truncate -s 1T a.huge';
    const job = await fleet.run(bash(source, { artifacts: ['a.*'] }));
    expect(job).toMatchObject({ state: 'failed', exitCode: 74 });
    expect(await paths(job.id)).toEqual(['a.small']);
    expect(await text(job.id, { stream: 'stderr' })).toMatch(
      /^cronium: the artifact a\.huge was not stored: .+\n$/,
    );
  });

  test('are stored within the grace of a job that takes too long, which is told to stop as ever', async () => {
    const source = "trap 'echo told >told.txt; exit 9' TERM; touch begun; while :; do sleep 0.2; done";
    const job = await fleet.run(bash(source, { artifacts: ['told.txt', 'begun'], timeoutSeconds: 3 }));
    expect(job.state).toBe('timed_out');
    expect(await paths(job.id)).toEqual(['begun', 'told.txt']);
  });

  test('change nothing of what the job sees', async () => {
    const source = 'env | cut -d= -f1 | sort; ls -A; pwd';
    const [plain, watched] = await Promise.all([
      fleet.run(bash(source)),
      fleet.run(bash(source, { artifacts: ['none'] })),
    ]);
    expect(await text(watched.id, { stream: 'stdout' })).toBe(await text(plain.id));
    expect([watched.state, await text(watched.id, { stream: 'stderr' })]).toEqual([
      'succeeded',
      'cronium: no file matches the artifacts of the job\n',
    ]);
  });
});

describe.concurrent('retries', () => {
  const backoff = { type: 'fixed', delaySeconds: 0 } as const;

  test('a job is tried again until it succeeds; each attempt keeps its log and its death', async () => {
    const source = 'echo attempt $CRONIUM_EXECUTION_ID; [ "${CRONIUM_EXECUTION_ID##*.}" = 3 ]';
    const job = await fleet.run(bash(source, { retry: { attempts: 5, backoff } }));
    expect(job).toMatchObject({ state: 'succeeded', attempts: 3, exitCode: 0 });
    expect(job.attemptList.map(({ state }) => state)).toEqual(['failed', 'failed', 'succeeded']);
    for (const attempt of ['1', '2', '3']) {
      expect(await text(job.id, { attempt })).toBe(`attempt ${job.id}.${attempt}\n`);
    }
    expect(await fleet.death(job.id, 2)).toMatchObject({ attempt: 2, cause: 'exit', exitCode: 1 });
    await expect(fleet.death(job.id)).rejects.toMatchObject({ status: 404 });
  });

  test('a job that always fails has as many attempts as its policy says', async () => {
    const job = await fleet.run(bash('exit 9', { retry: { attempts: 2, backoff } }));
    expect(job).toMatchObject({ state: 'failed', attempts: 2, exitCode: 9, cause: 'exit' });
  });

  test('what the policy does not name is not tried again', async () => {
    const job = await fleet.run(
      bash('exit 9', { retry: { attempts: 3, backoff, on: ['timed_out', 'oom'] } }),
    );
    expect(job).toMatchObject({ state: 'failed', attempts: 1 });
  });

  test('an ended job is run again on request, and its attempts are counted on', async () => {
    const first = await fleet.run(bash('echo $CRONIUM_EXECUTION_ID; exit 1'));
    // Results knows the end a moment before the queue does; until then the producer refuses with 409.
    await eventually(async () => fleet.client.retry(first.id), {
      what: 'the retry is accepted',
      timeoutMs: WAIT_MS,
    });
    const again = await eventually(
      async () => {
        const job = await fleet.client.job(first.id);
        return job.attempts === 2 && job.state === 'failed' && job;
      },
      { what: 'the second attempt has ended', timeoutMs: WAIT_MS },
    );
    expect(again.attemptList).toHaveLength(2);
    expect(await text(first.id, { attempt: '2' })).toBe(`${first.id}.2\n`);
  });
});
