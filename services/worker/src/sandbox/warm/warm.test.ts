import { type JobInput, LABEL } from '@cronium/contracts';
import { eventually, testSubnetRange } from '@cronium/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Sandbox } from '../runtime.ts';
import { type Ran, SandboxFixture } from '../testing/fixture.ts';

let fixture: SandboxFixture;
beforeAll(async () => {
  fixture = await SandboxFixture.create();
  await fixture.share();
});
afterAll(() => fixture[Symbol.asyncDispose]());

/** Containers that are started and wait for a job. */
async function waiting(of: SandboxFixture = fixture): Promise<string[]> {
  const label = [`${LABEL.node}=${of.node}`, `${LABEL.role}=job`];
  const found = await of.docker.listContainers({ filters: { label, status: ['running'] } });
  return found.filter(({ Labels }) => Labels[LABEL.attempt] === undefined).map(({ Id }) => Id);
}

/** Prepares a job when a container for it stands ready, and says how it was started. */
async function prepareWarm(
  input: JobInput,
  identity: { jobId?: string } = {},
): Promise<{ sandbox: Sandbox; start: unknown }> {
  let start: unknown;
  const observer = {
    begin: () => undefined,
    end: (step: string, attributes?: Readonly<Record<string, unknown>>) => {
      if (step === 'start') start = attributes?.start;
    },
  };
  const sandbox = await fixture.prepare(input, { ...identity, observer });
  return { sandbox, start };
}

async function runToEnd(sandbox: Sandbox): Promise<Ran> {
  await sandbox.launch();
  const ran = await fixture.follow(sandbox);
  await sandbox.release();
  return ran;
}

async function prepareAndRun(input: JobInput, jobId: string) {
  const { sandbox, start } = await prepareWarm(input, { jobId });
  const { stdout } = await runToEnd(sandbox);
  return { start, stdout: stdout.toString(), containerId: sandbox.binding.containerId };
}

/** It may be on its way out. */
const kill = (id: string) =>
  fixture.docker
    .getContainer(id)
    .kill()
    .catch(() => undefined);

const ready = (count: number, of = fixture) =>
  eventually(async () => (await waiting(of)).length === count, {
    what: `${count} containers stand ready`,
    timeoutMs: 60_000,
  });

/** What a job can see of how it was started. */
const LOOK = [
  'env | sort | grep -vE "^(CRONIUM_(JOB|EXECUTION)_|TRACEPARENT|OTEL_EXPORTER_OTLP_HEADERS)"',
  'pwd; hostname; id; umask; ulimit -n',
  'for p in /proc/[0-9]*; do echo "$(tr "\\0" " " <$p/cmdline | cut -c1-60)"; done',
  'ls -la /proc/self/fd | grep -c " -> "; readlink /proc/self/fd/0; read -r line; echo "stdin ends: $?"',
  'cat /etc/hosts | cut -f2-; cat /proc/net/tcp /proc/net/udp /proc/net/unix | wc -l',
  'ls -A /tmp /workspace /.cronium-run /dev/shm /home; mount | cut -d" " -f1,3,5 | grep -v overlay | sort; cat /proc/self/limits',
].join('\n');

describe('a warm start', () => {
  test('shows nothing of itself to the job, is used once, and is made ready again', async () => {
    const input = fixture.shell(LOOK);
    const cold = await prepareWarm(input);
    expect(cold.start).toBe('cold');
    const first = await runToEnd(cold.sandbox);
    await ready(1);
    const warm = await prepareWarm(input);
    expect(warm.start).toBe('warm');
    const second = await runToEnd(warm.sandbox);
    const shown = ({ stdout }: Ran) => stdout.toString().replaceAll(/10\.\d+\.\d+\.\d+/g, 'address');
    expect(shown(second)).toBe(shown(first));
    expect(second.exit).toMatchObject({ type: 'exited', exitCode: 0 });
    await ready(1);
    expect(await waiting()).not.toContain(warm.sandbox.binding.containerId);
  });

  test('is begun before it is sure that its job runs, and goes to another job when it does not', async () => {
    const input = fixture.shell('echo ran');
    await fixture.run(input);
    await ready(1);
    const [id] = await waiting();
    const [first, second] = [fixture.request(input), fixture.request(input)];
    const begun = fixture.runtime.begin(first);
    using _ = fixture.runtime.begin(second);
    begun[Symbol.dispose]();
    // There was none for it while the other had it.
    expect((await prepareAndRun(input, second.jobId)).start).toBe('cold');
    const isUsed = async () => {
      const { jobId } = fixture.request(input);
      using _next = fixture.runtime.begin(fixture.request(input, { jobId }));
      const { stdout, containerId } = await prepareAndRun(input, jobId);
      expect(stdout).toBe('ran\n');
      return containerId === id;
    };
    await eventually(isUsed, { what: 'another job runs in it', timeoutMs: 60_000 });
  });

  test('is for the same limits and image alone', async () => {
    await ready(1);
    const other = await prepareWarm(fixture.shell('true', { resources: { memoryMiB: 64 } }));
    expect(other.start).toBe('cold');
    await runToEnd(other.sandbox);
    const same = await prepareWarm(fixture.shell('echo other script'));
    expect(same.start).toBe('warm');
    expect((await runToEnd(same.sandbox)).stdout.toString()).toBe('other script\n');
  });

  test('is not made from an image that has changed', async () => {
    const image = 'cronium-test/moving:local';
    const tag = (from: string) =>
      fixture.docker.getImage(from).tag({ repo: 'cronium-test/moving', tag: 'local' });
    const input: JobInput = { ...fixture.shell('cat /version 2>/dev/null; echo .'), image } as JobInput;
    await tag(fixture.images.job);
    await runToEnd((await prepareWarm(input)).sandbox);
    const of = async () =>
      Promise.all(
        (await waiting()).map(async (id) => (await fixture.docker.getContainer(id).inspect()).Image),
      );
    const idOf = async (name: string) => (await fixture.docker.getImage(name).inspect()).Id;
    const before = await idOf(fixture.images.job);
    await eventually(async () => (await of()).includes(before), {
      what: 'one of the old image',
      timeoutMs: 60_000,
    });
    const container = await fixture.docker.createContainer({ Image: fixture.images.job, Cmd: ['true'] });
    await container.commit({ repo: 'cronium-test/moving', tag: 'local', comment: 'another' });
    await container.remove();
    const after = await idOf(image);
    expect(after).not.toBe(before);
    await eventually(async () => (await of()).includes(after), {
      what: 'one of the new image',
      timeoutMs: 60_000,
    });
    const { sandbox } = await prepareWarm(input);
    expect(sandbox.binding.image.id).toBe(after);
    await runToEnd(sandbox);
    await fixture.docker.getImage(image).remove({ force: true });
  });

  test('survives the death of a container that waits, or of its sidecar', async () => {
    await runToEnd(await fixture.prepare(fixture.shell('true')));
    await eventually(async () => (await waiting()).length > 0, {
      what: 'one stands ready',
      timeoutMs: 60_000,
    });
    for (const id of await waiting()) await kill(id);
    expect((await fixture.run(fixture.shell('echo on'))).stdout.toString()).toBe('on\n');
    await eventually(async () => (await waiting()).length > 0, {
      what: 'one stands ready',
      timeoutMs: 60_000,
    });
    const label = [`${LABEL.node}=${fixture.node}`, `${LABEL.role}=runtime`];
    for (const { Id } of await fixture.docker.listContainers({ filters: { label } })) await kill(Id);
    expect((await fixture.run(fixture.shell('echo on'))).stdout.toString()).toBe('on\n');
  });

  test('a node that takes no jobs keeps nothing ready', async () => {
    fixture.runtime.forecast(undefined);
    const label = [`${LABEL.node}=${fixture.node}`, LABEL.slot];
    const left = () => fixture.docker.listContainers({ all: true, filters: { label } });
    await eventually(async () => (await left()).length === 0, { what: 'all is removed', timeoutMs: 60_000 });
    fixture.runtime.forecast([fixture.request(fixture.shell('true')).spec]);
    await ready(1);
  });

  test('what cannot be made ready is not tried again at once', async () => {
    let failures = 0;
    const debug = (_: unknown, message?: unknown) => {
      if (String(message).startsWith('no container could be made ready')) failures += 1;
    };
    const logger = { ...fixture.options.logger, debug };
    const startedAt = performance.now();
    const runtime = fixture.anotherRuntime({ logger });
    const missing = { ...fixture.shell('true'), image: 'cronium-test/missing:none' } as JobInput;
    runtime.forecast([fixture.request(missing).spec]);
    await eventually(() => failures > 0, { what: 'the first try fails' });
    // Meanwhile there would be time for hundreds.
    await fixture.run(fixture.shell('true'));
    expect(failures).toBeLessThanOrEqual((performance.now() - startedAt) / 5000 + 2);
    await runtime.close();
  });

  test('gives way to a job of another kind when no subnet is left', async () => {
    const [address = ''] = testSubnetRange().split('/');
    await using small = await SandboxFixture.create({ subnetRange: { address, bits: 28 }, subnetBits: 28 });
    await small.share();
    await small.run(small.shell('true'));
    await ready(1, small);
    expect(small.runtime.capacity()).toBe(1);
    const other = await small.run(small.shell('echo other', { resources: { memoryMiB: 64 } }));
    expect(other.stdout.toString()).toBe('other\n');
  });
});
