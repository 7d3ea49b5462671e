import { LABEL } from '@cronium/contracts';
import { eventually } from '@cronium/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createContainer, removeContainer, renameContainer, startContainer } from './containers.ts';
import { DockerClient } from './docker.ts';
import { SandboxFixture } from './testing/fixture.ts';
import { slowRenames } from './testing/slow-renames.ts';

/** Without the gate, Docker 20.10 has lost count after a few of them. */
const CHANGES = 16;

let fixture: SandboxFixture;
beforeAll(async () => {
  fixture = await SandboxFixture.create();
  await fixture.share();
});
afterAll(() => fixture[Symbol.asyncDispose]());

test('a container of a former attempt is not removed while it is renamed: Docker 20.10 lists such a one for ever', async () => {
  await using slow = await slowRenames(fixture.options.dockerHost);
  const runtime = fixture.anotherRuntime({ dockerHost: slow.dockerHost });
  const silent = { begin: () => undefined, end: () => undefined };
  const prepare = (request = fixture.request(fixture.shell('sleep 1000'))) =>
    runtime.prepare(request, silent, AbortSignal.timeout(60_000));
  // Only a container that stood ready has to be renamed; the first ones make that one be wanted.
  const standsReady = async () => {
    const sandbox = await prepare();
    const { Config } = await fixture.docker.getContainer(sandbox.binding.containerId).inspect();
    if (Config.Labels[LABEL.attempt] === undefined) return sandbox;
    await sandbox.release();
    return undefined;
  };
  const former = await eventually(standsReady, { what: 'a container stands ready', timeoutMs: 120_000 });
  await former.launch();
  const { jobId } = former.binding;
  const { containerId } = former.binding;
  await eventually(() => slow.isAsked(containerId), { what: 'it gets its name', everyMs: 5 });
  const next = await prepare(fixture.request(fixture.shell('true'), { jobId, attempt: 2 }));
  expect(slow.story.filter((line) => line.endsWith(containerId))).toEqual([
    `rename ${containerId}`,
    `remove ${containerId}`,
  ]);
  await Promise.all([former.release(), next.release()]);
  await runtime.close();
});

test('a network whose containers come, go and are renamed all the time can be removed afterwards', async () => {
  // Two workers of one daemon: what one of them starts and removes, the other one's renames must not meet.
  const client = new DockerClient(fixture.options.dockerHost, { callMs: 60_000 });
  const other = new DockerClient(fixture.options.dockerHost, { callMs: 60_000 });
  const network = fixture.options.sharedNetwork;
  const create = (name: string) =>
    createContainer(client, {
      name: `${fixture.node}-${name}`,
      options: {
        Image: fixture.images.job,
        Labels: { 'cronium.managed': 'true', 'cronium.node': fixture.node },
        Entrypoint: ['/bin/sleep', '1000'],
        HostConfig: { NetworkMode: network },
      },
      mayReplace: () => false,
    });
  const named = await Promise.all(['a', 'b', 'c'].map(create));
  await Promise.all(named.map((id) => client.endpoints.change(() => startContainer(client, id))));

  let over = false;
  let renames = 0;
  const naming = named.map(async (id, index) => {
    while (!over) {
      const name = `${fixture.node}-${index}-${renames++}`;
      await other.endpoints.rename(() => renameContainer(other, id, name));
    }
  });
  const changing = [0, 1].map(async (lane) => {
    for (let n = 0; n < CHANGES / 2; n++) {
      const id = await create(`new-${lane}-${n}`);
      await client.endpoints.change(() => startContainer(client, id));
      await client.endpoints.change(() => removeContainer(client, id));
    }
  });
  await Promise.all(changing);
  over = true;
  await Promise.all(naming);
  // Each was renamed at its start; whether more fit between the changes is up to the daemon.
  expect(renames).toBeGreaterThanOrEqual(named.length);

  const { Containers: left = {} } = await fixture.docker.getNetwork(network).inspect();
  await Promise.all(Object.keys(left).map((id) => removeContainer(client, id)));
  // Docker refuses when it has lost count of the network's endpoints.
  await fixture.docker.getNetwork(network).remove();
  client.close();
  other.close();
});
