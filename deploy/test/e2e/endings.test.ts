import { createServer } from 'node:http';
import { jobContainerName, sidecarName, TERMINAL_STATES } from '@cronium/contracts';
import { eventually } from '@cronium/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestFleet } from './harness.ts';
import { bash, script, WAIT_MS } from './jobs.ts';
import { listening } from './listening.ts';

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await TestFleet.start();
});
afterAll(() => fleet?.[Symbol.asyncDispose]());

const container = (id: string) => fleet.host.docker.getContainer(jobContainerName(id));
/** A container gets its job's name a moment after its start. */
const named = async (id: string) => {
  await eventually(() => container(id).inspect(), { what: `the name of ${id}` });
  return container(id);
};

/** A job that runs until somebody ends it, and says when it runs. */
const ENDLESS = 'echo running; while :; do sleep 0.2; done';
async function running(source = ENDLESS): Promise<string> {
  const id = await fleet.submit(bash(source));
  await fleet.prints(id, 'running');
  return id;
}

describe.concurrent('time', () => {
  test('a job that runs too long is stopped as timed_out, also one that ignores SIGTERM', async () => {
    const [polite, stubborn] = await Promise.all([
      fleet.run(bash('trap "echo bye; exit 0" TERM; while :; do sleep 0.1; done', { timeoutSeconds: 2 })),
      fleet.run(bash('trap "" TERM; echo before; while :; do sleep 0.1; done', { timeoutSeconds: 2 })),
    ]);
    for (const job of [polite, stubborn])
      expect(job).toMatchObject({ state: 'timed_out', cause: 'timed_out' });
    expect((await fleet.log(stubborn.id)).toString()).toBe('before\n');
    const death = await fleet.death(stubborn.id);
    expect(death).toMatchObject({ certainty: 'certain', phase: 'main', exitCode: 137, signal: 'SIGKILL' });
    expect(death.message).toContain('timeout of 2 s');
    expect(death.evidence.logTail).toEqual(['before']);
  });

  test('its policy may try it again', async () => {
    const retry = { attempts: 2, backoff: { type: 'fixed', delaySeconds: 0 }, on: ['timed_out'] } as const;
    const source = 'while [ "${CRONIUM_EXECUTION_ID##*.}" = 1 ]; do sleep 0.1; done; echo second';
    const job = await fleet.run(bash(source, { timeoutSeconds: 5, retry: { ...retry, on: [...retry.on] } }));
    expect(job).toMatchObject({ state: 'succeeded', attempts: 2 });
    expect(job.attemptList.map(({ state }) => state)).toEqual(['timed_out', 'succeeded']);
  });
});

describe.concurrent('cancel', () => {
  test('while it waits in the queue: it never runs', async () => {
    const id = await fleet.submit(bash('echo ran', { delaySeconds: 3600 }));
    await fleet.client.cancel(id);
    const job = await fleet.ended(id);
    expect(job).toMatchObject({ state: 'cancelled', attempts: 0, exitCode: null });
    expect((await fleet.log(id)).length).toBe(0);
  });

  test('while it runs: it is stopped, its log is kept, and asking again is refused', async () => {
    const id = await running();
    await fleet.client.cancel(id);
    const job = await fleet.ended(id);
    expect(job).toMatchObject({ state: 'cancelled', cause: 'cancelled', attempts: 1 });
    expect((await fleet.log(id)).toString()).toBe('running\n');
    expect(await fleet.death(id)).toMatchObject({ certainty: 'certain', phase: 'main' });
    await expect(fleet.client.cancel(id)).rejects.toMatchObject({ status: 409 });
  });

  test('twice at once, at any moment: one terminal state', async () => {
    const ids = await Promise.all(Array.from({ length: 4 }, () => fleet.submit(bash('echo hi; sleep 1'))));
    await Promise.all([...ids, ...ids].map((id) => fleet.client.cancel(id).catch(() => undefined)));
    for (const id of ids) {
      const job = await fleet.ended(id);
      expect(TERMINAL_STATES).toContain(job.state);
      expect(['cancelled', 'succeeded']).toContain(job.state);
    }
  });
});

describe.concurrent('memory', () => {
  const resources = { memoryMiB: 32 };

  test.each([
    ['bash', 'x=x; while :; do x=$x$x; done'],
    ['python', 'x = []\nwhile True: x.append(bytearray(10**6))'],
  ] as const)(
    'a %s program that takes too much is killed by the kernel, and the record says oom',
    async (language, source) => {
      const job = await fleet.run(script(language, source, { resources }));
      expect(job).toMatchObject({ state: 'failed', cause: 'oom', exitCode: 137 });
      const death = await fleet.death(job.id);
      expect(death).toMatchObject({ certainty: 'certain', phase: 'main', signal: 'SIGKILL' });
      expect(death.message).toContain('32 MiB');
      expect(death.evidence).toMatchObject({ oomKilled: true, memoryLimitBytes: 32 * 2 ** 20 });
    },
  );

  test('a child that is killed for memory while the job goes on is no failure', async () => {
    const child = 'x=x; while :; do x=$x$x; done';
    const job = await fleet.run(bash(`bash -c '${child}'; echo went on`, { resources }));
    expect(job).toMatchObject({ state: 'succeeded', cause: null });
    expect((await fleet.log(job.id, { stream: 'stdout' })).toString()).toBe('went on\n');
  });

  test.each([1, 137, 143, 255])('exit %i is never called an out-of-memory kill', async (code) => {
    const job = await fleet.run(bash(`exit ${code}`));
    expect(job).toMatchObject({ state: 'failed', exitCode: code });
    expect(job.cause).not.toBe('oom');
    expect(await fleet.death(job.id)).toMatchObject({ phase: 'main', evidence: { oomKilled: false } });
  });
});

test('exit code 137 has seven causes, and seven different records', async () => {
  const resources = { memoryMiB: 32 };
  const bomb = 'x=x; while :; do x=$x$x; done';
  const [exits, itself, main, child, late, killed, cancelled] = await Promise.all([
    fleet.submit(bash('exit 137')),
    fleet.submit(bash('kill -9 $$')),
    fleet.submit(bash(bomb, { resources })),
    fleet.submit(bash(`bash -c '${bomb}'`, { resources })),
    fleet.submit(bash('trap "" TERM; while :; do sleep 0.1; done', { timeoutSeconds: 1 })),
    running(),
    running('trap "" TERM; echo running; while :; do sleep 0.1; done'),
  ]);
  await Promise.all([named(killed).then((one) => one.kill()), fleet.client.cancel(cancelled)]);
  const explained = async (id: string) => {
    expect(await fleet.ended(id)).toMatchObject({ exitCode: 137 });
    const { cause, certainty, signal, message } = await fleet.death(id);
    return [cause, certainty, signal, message.split(' ').slice(0, 4).join(' ')];
  };
  const records = await Promise.all([exits, itself, killed, main, child, late, cancelled].map(explained));
  expect(records).toEqual([
    ['exit', 'certain', null, 'The program returned exit'],
    ['signal', 'certain', 'SIGKILL', 'The program was killed'],
    ['killed', 'certain', 'SIGKILL', "The job's container was"],
    ['oom', 'certain', 'SIGKILL', 'The job needed more'],
    ['oom', 'certain', null, "One of the job's"],
    ['timed_out', 'certain', 'SIGKILL', 'The main program ran'],
    ['cancelled', 'certain', 'SIGKILL', 'The job was cancelled'],
  ]);
});

describe.concurrent('killed by someone else', () => {
  test('docker kill', async () => {
    const id = await running();
    await (await named(id)).kill();
    expect(await fleet.ended(id)).toMatchObject({ state: 'failed', cause: 'killed', exitCode: 137 });
    const death = await fleet.death(id);
    expect(death).toMatchObject({ certainty: 'certain', phase: 'main', signal: 'SIGKILL' });
    expect(death.evidence.events).toContainEqual(expect.objectContaining({ action: 'kill' }));
    expect((await fleet.log(id)).toString()).toBe('running\n');
  });

  test('docker rm -f', async () => {
    const id = await running();
    await (await named(id)).remove({ force: true });
    expect(await fleet.ended(id)).toMatchObject({ state: 'failed', cause: 'killed' });
    expect(await fleet.death(id)).toMatchObject({ certainty: 'certain', phase: 'main', exitCode: null });
    expect((await fleet.log(id)).toString()).toContain('running\n');
  });

  test('the sidecar dies: it is started again, and the helpers carry the job over', async () => {
    const source =
      '. /usr/local/bin/cronium.sh; echo running; i=0; while [ $i -lt 8 ]; do cronium_set_variable "$CRONIUM_JOB_ID" $((i += 1)) || exit 5; sleep 0.5; done; cronium_output "$i"';
    const id = await running(source);
    await eventually(() => fleet.host.docker.getContainer(sidecarName(id)).kill(), { what: 'its sidecar' });
    expect(await fleet.ended(id)).toMatchObject({ state: 'succeeded', attempts: 1, output: '8' });
  });
});

describe.concurrent('images', () => {
  test('one that the registry does not have: its answer is in the record; asked once for many jobs', async () => {
    let asked = 0;
    await using registry = await listening(
      createServer((request, response) => {
        if (request.url === '/v2/') return void response.end('{}');
        if (request.method === 'GET') asked += 1;
        response.statusCode = 404;
        response.setHeader('content-type', 'application/json');
        const errors = [{ code: 'MANIFEST_UNKNOWN', message: 'the stand-in registry never had it' }];
        response.end(JSON.stringify({ errors }));
      }),
    );
    const image = `127.0.0.1:${registry.port}/team/nothing:7`;
    const ids = await Promise.all(
      Array.from({ length: 3 }, () => fleet.submit({ type: 'container', image, command: ['true'] })),
    );
    for (const id of ids) {
      expect(await fleet.ended(id)).toMatchObject({ state: 'failed', cause: 'image', exitCode: null });
      const death = await fleet.death(id);
      expect(death).toMatchObject({ certainty: 'certain', phase: 'preparing' });
      expect(death.message).toContain(image);
      expect(death.message).toContain('the stand-in registry never had it');
    }
    expect(asked).toBeLessThanOrEqual(ids.length);
  });

  test('one whose registry does not answer', async () => {
    const image = '127.0.0.1:1/nothing:1';
    const job = await fleet.run({ type: 'container', image, command: ['true'] });
    expect(job).toMatchObject({ state: 'failed', cause: 'image' });
    expect((await fleet.death(job.id)).message).toContain('connection refused');
  });
});

test('a job that succeeded has no death, and no container of any of them is left in Docker', async () => {
  const job = await fleet.run(bash('exit 0'));
  await expect(fleet.client.death(job.id)).rejects.toMatchObject({ status: 404 });
  await eventually(
    async () => {
      // Slots stay for the next jobs, and containers that wait for one; these run, and have a slot's name.
      const filters = { label: [`cronium.node=${fleet.workers[0]?.node}`, 'cronium.role=job'] };
      const containers = await fleet.host.docker.listContainers({ all: true, filters });
      const left = containers.filter(
        ({ State, Names }) =>
          State !== 'running' || Names.some((name) => name.startsWith('/cronium-job-job_')),
      );
      if (left.length > 0) throw new Error(left.flatMap(({ Names }) => Names).join(' '));
      return true;
    },
    { what: 'all job containers are removed', timeoutMs: WAIT_MS },
  );
});
