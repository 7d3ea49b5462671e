import { LABEL } from '@cronium/contracts';
import { eventually } from '@cronium/testing';
import { describe, expect, test } from 'vitest';
import { classify } from '../outcome/classify.ts';
import { hostFacts } from '../outcome/host.ts';
import type { LogItem, Sandbox } from './runtime.ts';
import { OwnEngine } from './testing/engine.ts';
import { bytesOf, collect, SandboxFixture } from './testing/fixture.ts';
import { Relay } from './testing/relay.ts';
import { dropReplies } from './testing/reply-dropper.ts';

const ZERO = { stdout: 0, stderr: 0 };
const LIMIT_MS = 150_000;
const signal = () => AbortSignal.timeout(LIMIT_MS);
const silent = { begin: () => undefined, end: () => undefined };
const FOREVER = 'echo up; while :; do sleep 0.1; done';

async function fixtureOn(engine: OwnEngine): Promise<SandboxFixture> {
  const fixture = await SandboxFixture.create({ dockerHost: engine.dockerHost });
  await fixture.share();
  return fixture;
}

/** Reads the output from now on, and resolves at its first record. */
async function reading(sandbox: Sandbox): Promise<{ all: Promise<LogItem[]> }> {
  const first = Promise.withResolvers<void>();
  const all = (async () => {
    const items: LogItem[] = [];
    for await (const item of sandbox.output(ZERO, signal())) {
      items.push(item);
      if (item.type === 'record') first.resolve();
    }
    return items;
  })();
  await Promise.race([first.promise, all]);
  return { all };
}

/** What was being made ahead of jobs when the daemon went, nobody has: the next round removes it, as a worker's does. */
const reconciled = ({ runtime }: SandboxFixture) =>
  eventually(async () => (await runtime.reconcile(new Set(), { graceMs: 0, dryRun: false })).length === 0, {
    what: 'nothing is left',
    timeoutMs: LIMIT_MS,
  });

describe('a daemon that goes away', { timeout: 2 * LIMIT_MS }, () => {
  test.each([
    ['SIGTERM', [], 0],
    ['SIGKILL', [], 0],
    // No default network tells its runs apart then, as when one outlived the daemon.
    ['SIGTERM', ['--bridge=none'], 0],
    // And its memory is full of later events.
    ['SIGTERM', ['--bridge=none'], 300],
  ] as const)(
    'by %s takes its jobs along, and that is what is said of them: %j, %i events',
    async (how, flags, events) => {
      await using engine = await OwnEngine.start([...flags]);
      await using fixture = await fixtureOn(engine);
      const sandbox = await fixture.prepare(fixture.shell(FOREVER));
      await sandbox.launch();
      const output = await reading(sandbox);
      const before = await fixture.prepare(fixture.shell('echo fine; exit 6'));
      await before.launch();
      expect(await before.exit(signal())).toMatchObject({ type: 'exited', exitCode: 6 });

      await engine.down(how);
      expect(await fixture.runtime.blockers(signal())).toMatchObject([
        { name: 'docker', message: expect.stringContaining(engine.dockerHost) },
      ]);
      await expect(fixture.prepare(fixture.shell('true'))).rejects.toMatchObject({ code: 'docker' });
      await engine.up();
      for (let made = 0; made < events; made += 2)
        await fixture.docker.createVolume().then((volume) => volume.remove());

      expect(await sandbox.exit(signal())).toMatchObject({ type: 'daemon' });
      expect(bytesOf(await output.all, 'stdout').toString()).toBe('up\n');
      // What ended before is known, and a reader who comes late gets its whole log.
      expect(await before.exit(signal())).toMatchObject({ type: 'exited', exitCode: 6 });
      expect(bytesOf(await collect(before.output(ZERO, signal())), 'stdout').toString()).toBe('fine\n');
      const adopted = await fixture.anotherRuntime().adopt(sandbox.binding, fixture.served);
      expect(await adopted?.exit(signal())).toMatchObject({ type: 'daemon' });
      await Promise.all([sandbox.release(), before.release()]);
      await reconciled(fixture);
      await fixture.docker.getNetwork(fixture.options.sharedNetwork).inspect();
    },
  );

  test('with live-restore leaves its jobs alone: their end and all their output are known', async () => {
    await using engine = await OwnEngine.start(['--live-restore']);
    await using fixture = await fixtureOn(engine);
    const sandbox = await fixture.prepare(
      fixture.shell('for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo $i; sleep 1; done; exit 5'),
    );
    await sandbox.launch();
    const output = await reading(sandbox);
    await engine.down('SIGTERM');
    await engine.up();
    expect(await sandbox.exit(signal())).toMatchObject({ type: 'exited', exitCode: 5 });
    expect(bytesOf(await output.all, 'stdout').toString()).toBe('1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n');
    await sandbox.release();
    await reconciled(fixture);
  });

  test('that hangs is named, with the operation; jobs go on and end as what they were', async () => {
    await using engine = await OwnEngine.start();
    await using fixture = await fixtureOn(engine);
    const sandbox = await fixture.prepare(fixture.shell('echo up; sleep 4; echo late; exit 8'));
    await sandbox.launch();
    const output = await reading(sandbox);
    const hasty = fixture.anotherRuntime({ limits: { callMs: 3000 }, idleSlots: 0 });
    engine.freeze();
    try {
      await expect(
        hasty.prepare(fixture.request(fixture.shell('true')), silent, signal()),
      ).rejects.toMatchObject({
        code: 'docker',
        message: expect.stringMatching(/: the Docker daemon at unix:.* did not answer in 3 s$/),
      });
      expect(await hasty.blockers(signal())).toMatchObject([{ name: 'docker' }]);
    } finally {
      engine.thaw();
    }
    expect(await sandbox.exit(signal())).toMatchObject({ type: 'exited', exitCode: 8 });
    expect(bytesOf(await output.all, 'stdout').toString()).toBe('up\nlate\n');
    await sandbox.release();
    await reconciled(fixture);
  });
});

test('a reply that gets lost after the daemon did its work leaves no second container and no orphan', async () => {
  await using fixture = await SandboxFixture.create();
  await fixture.share();
  const lost = [
    'POST /networks/create',
    'POST /containers/create?name=cronium-job-',
    'POST /containers/create?name=cronium-runtime-',
  ];
  await using dropper = await dropReplies(fixture.options.dockerHost, lost);
  const runtime = fixture.anotherRuntime({ dockerHost: dropper.dockerHost });
  const sandbox = await runtime.prepare(fixture.request(fixture.shell('echo ok')), silent, signal());
  await sandbox.launch();
  const { exit, stdout } = await fixture.follow(sandbox);
  expect([exit.type, stdout.toString(), dropper.dropped]).toEqual(['exited', 'ok\n', lost.length]);
  expect((await fixture.runtime.observe()).length).toBe(1);
  await sandbox.release();
  // Its slot goes while the way to the daemon is still there.
  await runtime.close();
});

test('without a single event of the daemon, the end of a job and the death of a sidecar are known all the same', async () => {
  await using fixture = await SandboxFixture.create({ limits: { inspectEveryMs: 300 } });
  await fixture.share();
  await using deaf = await dropReplies(fixture.options.dockerHost, ['GET /events'], { always: true });
  const runtime = fixture.anotherRuntime({ dockerHost: deaf.dockerHost });
  const job = fixture.shell('echo up; until [ -e /tmp/go ]; do sleep 0.1; done; exit 4');
  const sandbox = await runtime.prepare(fixture.request(job), silent, signal());
  await sandbox.launch();
  const { all } = await reading(sandbox);
  const kept = sandbox.keepSidecar(signal());
  await fixture.docker.getContainer(sandbox.binding.sidecarId).kill();
  await eventually(() => sandbox.evidence().sidecarRestarts === 1, { what: 'the sidecar was started again' });
  const container = fixture.docker.getContainer(sandbox.binding.containerId);
  const exec = await container.exec({ Cmd: ['touch', '/tmp/go'] });
  await exec.start({ Detach: true });
  expect(await sandbox.exit(signal())).toMatchObject({ type: 'exited', exitCode: 4 });
  expect(bytesOf(await all, 'stdout').toString()).toBe('up\n');
  expect(sandbox.evidence().events).toEqual([]);
  expect(deaf.dropped).toBeGreaterThan(0);
  await sandbox.release();
  await kept;
  await runtime.close();
});

test('a container that dies between its start and its program has a record that says so', async () => {
  await using fixture = await SandboxFixture.create();
  await fixture.share();
  const sandbox = await fixture.prepare(fixture.shell('echo never'));
  await fixture.docker.getContainer(sandbox.binding.containerId).kill();
  await sandbox.launch().catch(() => undefined);
  const exit = await sandbox.exit(signal());
  await eventually(() => sandbox.evidence().kills.length > 0, { what: 'the event of the kill' });
  const ran = {
    stop: undefined,
    phases: {},
    container: sandbox.evidence(),
    mainEnd: undefined,
    host: hostFacts(),
  };
  const { state, death } = classify(
    { type: 'ran', exit, ...ran },
    {
      attempt: 1,
      at: Date.now(),
      node: 'n',
      memoryLimitBytes: 1,
      image: 'i',
      logTail: ['last'],
      host: ran.host,
    },
  );
  expect(state).toBe('failed');
  expect(death).toMatchObject({
    cause: 'killed',
    certainty: 'certain',
    phase: 'preparing',
    signal: 'SIGKILL',
  });
  expect(death?.evidence).toMatchObject({ logTail: ['last'], oomKilled: false });
  expect(death?.evidence.host).toHaveProperty('load1');
  expect(death?.evidence.events).toContainEqual(expect.objectContaining({ action: 'kill' }));
  expect(await collect(sandbox.output(ZERO, signal()))).toEqual([]);
  await sandbox.release();
});

describe('images', () => {
  test('that cannot be had fail the job, with the answer of the registry', async () => {
    await using fixture = await SandboxFixture.create();
    await fixture.share();
    const image = 'localhost:1/no/such:1';
    const refused = await Promise.all(
      [1, 2, 3].map(() =>
        fixture.prepare({ type: 'container', image }).then(
          () => undefined,
          (error: unknown) => error,
        ),
      ),
    );
    for (const error of refused) {
      expect(error).toMatchObject({
        code: 'image',
        message: expect.stringMatching(
          /^the image localhost:1\/no\/such:1 cannot be had: .*localhost:1.* Is its name right/,
        ),
      });
    }
    expect(await fixture.runtime.observe()).toEqual([]);
  });

  test("of the fleet that are missing block the node, and are no job's failure", async () => {
    await using fixture = await SandboxFixture.create();
    await fixture.share();
    const images = { ...fixture.options.images, bash: 'cronium/nowhere:local' };
    const runtime = fixture.anotherRuntime({ images });
    expect(await runtime.blockers(signal())).toMatchObject([
      { name: 'image cronium/nowhere:local', message: expect.stringContaining('CRONIUM_BASH_IMAGE') },
    ]);
    const script = { type: 'script', script: { language: 'bash', source: 'true' } } as const;
    await expect(runtime.prepare(fixture.request(script), silent, signal())).rejects.toMatchObject({
      code: 'docker',
    });
  });
});

describe('the shared network', () => {
  test('that is missing, or lacks a name or a service, is said with what to change', async () => {
    await using fixture = await SandboxFixture.create();
    const blockers = (sharedNames = fixture.options.sharedNames) =>
      fixture.anotherRuntime({ sharedNames }).blockers(signal());
    const network = fixture.options.sharedNetwork;
    expect(await blockers()).toMatchObject([
      { name: `network ${network}`, message: expect.stringContaining(`docker network create ${network}`) },
    ]);
    await fixture.share();
    expect(await blockers()).toEqual([]);
    const names = [
      { host: 'valkey', port: 6379 },
      { host: 'results', port: 9 },
      { host: 'nobody', port: 1 },
    ];
    expect(await blockers(names)).toMatchObject([
      {
        name: `results:9 on ${network}`,
        message: expect.stringMatching(/resolves to .* nothing accepts connections there on port 9/),
      },
      { name: `nobody:1 on ${network}`, message: expect.stringMatching(/the name nobody does not resolve/) },
    ]);
  });

  test('is being proved when the worker stops: nothing is left of the proof', async () => {
    await using fixture = await SandboxFixture.create();
    await fixture.share();
    const waited = Promise.withResolvers<void>();
    // Its answer to who waits for the probe never comes.
    await using daemon = await Relay.start(fixture.options.dockerHost, (client, engine) => ({
      onRequest(data) {
        if (/^POST \/containers\/[0-9a-f]+\/wait/.test(data.toString('latin1'))) waited.resolve();
        else engine.write(data);
      },
      onReply: (data) => client.write(data),
    }));
    const runtime = fixture.anotherRuntime({ dockerHost: daemon.dockerHost });
    const checked = runtime.blockers(signal()).then(
      () => 'proved',
      (error) => error,
    );
    await waited.promise;
    const probes = () =>
      fixture.docker.listContainers({
        all: true,
        filters: { label: [`${LABEL.node}=${fixture.node}`, `${LABEL.role}=probe`] },
      });
    expect(await probes()).toHaveLength(1);
    await runtime.close();
    expect(await probes()).toEqual([]);
    expect(await checked).toMatchObject({ code: 'aborted' });
  });
});
