import { eventually, testEnvironment } from '@cronium/testing';
import { expect, test } from 'vitest';
import { SandboxFixture } from './testing/fixture.ts';
import { lateKills } from './testing/late-kills.ts';

const signal = () => AbortSignal.timeout(100_000);

test.each([
  ['at once', false],
  ['by the next stream', true],
])('kills that Docker tells of after the end, %s, are taken as evidence, each once', async (_, breaks) => {
  await using daemon = await lateKills(testEnvironment().dockerHost, { breaks });
  await using fixture = await SandboxFixture.create({ dockerHost: daemon.dockerHost });
  await fixture.share();
  const sandbox = await fixture.prepare(fixture.shell('while :; do sleep 0.1; done'));
  await sandbox.launch();
  daemon.holdOf(sandbox.binding.containerId);
  const container = fixture.docker.getContainer(sandbox.binding.containerId);
  // It changes nothing, so that this kill is surely told before the end.
  await container.kill({ signal: 'SIGCONT' });
  await eventually(() => daemon.held === 1, { what: 'the first kill is told' });
  await container.kill();
  expect(await sandbox.exit(signal())).toMatchObject({ type: 'exited', exitCode: 137 });
  await eventually(() => sandbox.evidence().kills.length >= 2, { what: 'both kills are heard of' });
  const { kills, events } = sandbox.evidence();
  expect(kills.map((kill) => kill.signal).sort()).toEqual(['SIGCONT', 'SIGKILL']);
  expect(events.map(({ at }) => at)).toEqual(events.map(({ at }) => at).sort((a, b) => a - b));
  expect(events.filter(({ action }) => action === 'die')).toHaveLength(1);
  await sandbox.release();
});
