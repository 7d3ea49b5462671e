import { LABEL } from '@cronium/contracts';
import { eventually, testNodeName } from '@cronium/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { IMAGE_TAGS } from '../../local/bootstrap.ts';
import { forwarderName } from '../../local/fleet/docker-objects.ts';
import { cronium } from './cli.ts';
import { TestFleet, type Worker } from './harness.ts';
import { bash, WAIT_MS } from './jobs.ts';

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await TestFleet.start({ workers: [] });
});
afterAll(() => fleet?.[Symbol.asyncDispose]());

/** Waits until the worker's `/ready` is 503 with a message that has all the texts. */
async function saysMissing(worker: Worker, ...texts: readonly string[]): Promise<void> {
  await eventually(
    async () => {
      const { status, messages } = await worker.whatIsMissing();
      const found = messages.some((message) => texts.every((text) => message.includes(text)));
      if (!found) throw new Error(`${status}: ${messages.join('; ')}`);
      expect(status).toBe(503);
      return true;
    },
    { what: `${worker.node} says what is missing`, timeoutMs: WAIT_MS },
  );
}

test('while the runtime-api image is missing the node is not ready and says so; jobs wait, and run once it is there', async () => {
  const tag = testNodeName();
  const image = `cronium/runtime-api:${tag}`;
  const worker = await fleet.addWorker({ env: { CRONIUM_RUNTIME_IMAGE: image, CRONIUM_POOLS: 'image' } });
  await saysMissing(worker, image, 'images/runtime-api');
  const id = await fleet.submit(bash('echo ran', { pool: 'image' }));
  await eventually(
    async () => {
      const table = (await cronium(fleet, ['workers', '--json'])).stdout;
      const [shown] = JSON.parse(table).workers.filter(({ node }: { node: string }) => node === worker.node);
      return shown?.state === 'not_ready' && shown.reasons.join().includes(image);
    },
    { what: 'the fleet shows the node as not ready, with the reason', timeoutMs: WAIT_MS },
  );
  expect(await fleet.client.job(id)).toMatchObject({ state: 'queued', attempts: 0 });
  await fleet.host.docker.getImage(IMAGE_TAGS.runtimeApi).tag({ repo: 'cronium/runtime-api', tag });
  try {
    expect(await fleet.ended(id)).toMatchObject({ state: 'succeeded', attempts: 1 });
    await worker.ready();
    await worker.stop();
  } finally {
    await fleet.host.docker.getImage(image).remove({ noprune: true });
  }
});

test('a name that is missing on the shared network: 503 that names network and name; jobs wait until it is there', async () => {
  const node = testNodeName();
  const name = `cronium-shared-${node}`;
  const { docker, shared } = fleet.host;
  const network = await docker.createNetwork({
    Name: name,
    Labels: { [LABEL.managed]: 'true', [LABEL.node]: node },
  });
  const forwarder = forwarderName(shared.name);
  const attach = (Aliases: string[]) =>
    network.connect({ Container: forwarder, EndpointConfig: { Aliases } });
  try {
    await attach(['valkey']);
    const worker = await fleet.addWorker({ env: { CRONIUM_SHARED_NETWORK: name, CRONIUM_POOLS: 'names' } });
    await saysMissing(worker, name, 'results', 'does not resolve');
    expect((await worker.whatIsMissing()).messages.join()).not.toContain('name valkey');
    const id = await fleet.submit(bash('. /usr/local/bin/cronium.sh; cronium_output ok', { pool: 'names' }));
    expect(await fleet.client.job(id)).toMatchObject({ state: 'queued' });
    await network.disconnect({ Container: forwarder });
    await attach(['valkey', 'results']);
    expect(await fleet.ended(id)).toMatchObject({ state: 'succeeded', output: 'ok' });
    await worker.stop();
  } finally {
    await network.disconnect({ Container: forwarder, Force: true });
    await network.remove();
  }
});

test('a name that resolves where nothing listens, and a network that does not exist, are told apart', async () => {
  const closed = await fleet.addWorker({
    env: { CRONIUM_SHARED_NAMES: 'valkey:6379,results:7999', CRONIUM_POOLS: 'closed' },
  });
  await saysMissing(closed, fleet.host.shared.name, 'results', '7999', 'nothing accepts connections');
  const nowhere = await fleet.addWorker({
    env: { CRONIUM_SHARED_NETWORK: 'cronium-no-such-network', CRONIUM_POOLS: 'nowhere' },
  });
  await saysMissing(nowhere, 'cronium-no-such-network', 'does not exist');
});

test('results and Valkey that do not answer are named too', async () => {
  const worker = await fleet.addWorker({
    env: { CRONIUM_RESULTS_URL: 'http://127.0.0.1:9', CRONIUM_POOLS: 'alone' },
  });
  await saysMissing(worker, 'results', 'CRONIUM_RESULTS_URL');
});
