import { TOOLKIT_SOURCE } from '@cronium/contracts';
import { eventually } from '@cronium/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Sandbox } from './runtime.ts';
import { SandboxFixture } from './testing/fixture.ts';

let fixture: SandboxFixture;
beforeAll(async () => {
  fixture = await SandboxFixture.create();
  await fixture.share();
});
afterAll(() => fixture[Symbol.asyncDispose]());

const signal = () => AbortSignal.timeout(100_000);
const SILENT = { begin: () => undefined, end: () => undefined };
const sidecarOf = ({ binding }: Sandbox) => fixture.docker.getContainer(binding.sidecarId);
const isRevived = (sandbox: Sandbox) =>
  eventually(() => sandbox.evidence().sidecarRestarts === 1, { what: 'it was started again' });

/** The job connects to its sidecar. */
async function isReached({ binding }: Sandbox): Promise<void> {
  const job = fixture.docker.getContainer(binding.containerId);
  const reach = await job.exec({ Cmd: ['nc', '-w', '5', 'runtime-api', '8081', '-e', '/bin/true'] });
  await reach.start({ Detach: true });
  await eventually(async () => (await reach.inspect()).ExitCode === 0, { what: 'the job reaches it' });
}

test('a sidecar that dies is started again once, and serves again; the second time it is gone', async () => {
  const sandbox = await fixture.prepare(fixture.shell('sleep 1000'));
  await sandbox.launch();
  const kept = sandbox.keepSidecar(signal());
  await sidecarOf(sandbox).kill();
  await isRevived(sandbox);
  expect(sandbox.evidence()).toMatchObject({ sidecarDied: true, sidecarIsDown: false });
  await isReached(sandbox);
  await sidecarOf(sandbox).kill();
  expect(await kept).toBe('it died again after it had been started again');
  expect(sandbox.evidence()).toMatchObject({ sidecarRestarts: 1, sidecarIsDown: true });
  await sandbox.release();
});

test('a sidecar that runs and does not answer is killed and started again once; the second time it is gone', async () => {
  // Here alone: a healthy one that a busy machine keeps from answering would be killed too.
  const impatient = fixture.anotherRuntime({ limits: { sidecarAskMs: 200, sidecarAnswerMs: 2000 } });
  const request = fixture.request(fixture.shell('sleep 1000'));
  const sandbox = await impatient.prepare(request, SILENT, signal());
  await sandbox.launch();
  const kept = sandbox.keepSidecar(signal());
  await sidecarOf(sandbox).kill({ signal: 'SIGSTOP' });
  await isRevived(sandbox);
  expect(sandbox.evidence()).toMatchObject({ sidecarDied: true, sidecarIsDown: false });
  await isReached(sandbox);
  await sidecarOf(sandbox).pause();
  expect(await kept).toMatch(/^it stopped answering again after it had been started again: .+/);
  expect(sandbox.evidence()).toMatchObject({ sidecarRestarts: 1, sidecarIsDown: true });
  await sandbox.release();
});

test('a sidecar that dies with its job, or after it, is left alone', async () => {
  const sandbox = await fixture.prepare(fixture.shell('exit 0'));
  await sandbox.launch();
  await sandbox.exit(signal());
  await sidecarOf(sandbox).kill();
  expect(await sandbox.keepSidecar(signal())).toBeUndefined();
  expect(sandbox.evidence().sidecarRestarts).toBe(0);
  await sandbox.release();
});

test('the sidecar of a container that serves a batch is started again, and that container serves no other job', async () => {
  const request = fixture.request({
    ...fixture.shell('until [ -e /tmp/go ]; do sleep 0.1; done; exit 3'),
    isolation: 'batch',
  });
  const of = (attempt: number) => ({
    ...fixture.request(request.spec, { attempt }),
    payload: { ...request.payload, batchId: 'batch_000000000000' },
  });
  const sandbox = await fixture.runtime.prepare(of(1), SILENT, signal());
  await sandbox.launch();
  const kept = sandbox.keepSidecar(signal());
  await sidecarOf(sandbox).kill();
  await isRevived(sandbox);
  await isReached(sandbox);
  const job = fixture.docker.getContainer(sandbox.binding.containerId);
  await (await job.exec({ Cmd: ['touch', '/tmp/go'] })).start({ Detach: true });
  expect((await fixture.follow(sandbox)).exit).toMatchObject({ exitCode: 3 });
  expect(await kept).toBeUndefined();
  expect(sandbox.evidence()).toMatchObject({ sidecarDied: true, sidecarRestarts: 1, sidecarIsDown: false });
  await sandbox.release();
  const next = await fixture.runtime.prepare(of(1), SILENT, signal());
  expect(next.binding.containerId).not.toBe(sandbox.binding.containerId);
  await next.release();
});

test('a sidecar that is not well when its job has ended serves no other', async () => {
  const sandbox = await fixture.prepare(fixture.shell('true'));
  await sandbox.launch();
  await sandbox.exit(signal());
  const sidecar = sidecarOf(sandbox);
  const falls = await sidecar.exec({ Cmd: [`${TOOLKIT_SOURCE}/busybox`, 'touch', '/tmp/ill'] });
  await falls.start({ Detach: true });
  await eventually(async () => (await falls.inspect()).ExitCode === 0, { what: 'it is ill' });
  await sandbox.release();
  await expect(sidecar.inspect()).rejects.toMatchObject({ statusCode: 404 });
});
