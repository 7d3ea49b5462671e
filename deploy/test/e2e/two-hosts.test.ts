import type { BatchResult, WorkersView } from '@cronium/contracts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { IMAGE_TAGS } from '../../local/bootstrap.ts';
import { cronium } from './cli.ts';
import { TestFleet } from './harness.ts';
import { bash, WAIT_MS } from './jobs.ts';
import { startSecondEngine } from './second-engine.ts';

const JOBS = 200;

let fleet: TestFleet;
/** The fleet's containers and networks go before the engine on which they are. */
const stack = new AsyncDisposableStack();
beforeAll(async () => {
  const { runtimeApi, jobBash } = IMAGE_TAGS;
  const engine = stack.use(await startSecondEngine([runtimeApi, jobBash]));
  fleet = stack.use(await TestFleet.start());
  const host = await fleet.addHost(engine.dockerHost, engine.hostAddress);
  // Only Bash runs here: the images for other languages need not travel.
  const env = { CRONIUM_PYTHON_IMAGE: jobBash, CRONIUM_NODE_IMAGE: jobBash };
  await (await fleet.addWorker({ host, env })).ready();
});
afterAll(() => stack.disposeAsync());

test(
  'a batch of 200 jobs is shared by two hosts; each job runs once, and all comes together in results',
  async () => {
    const source =
      '. /usr/local/bin/cronium.sh; echo "$CRONIUM_EXECUTION_ID"; cronium_output "$(cronium_input .n)"';
    const jobs = Array.from({ length: JOBS }, (_, n) => ({
      ...bash(source, { input: { n } }),
      name: `job ${n}`,
    }));
    const { batchId } = await fleet.client.submitBatch(jobs);
    const view = await fleet.client.waitForBatch(batchId, { timeoutMs: 4 * WAIT_MS });
    expect(view.counts).toMatchObject({ succeeded: JOBS });
    const results: BatchResult[] = await Array.fromAsync(fleet.client.batchResults(batchId));
    expect(results.map(({ output }) => Number(output)).sort((a, b) => a - b)).toEqual(jobs.map((_, n) => n));

    const views = await Promise.all(results.map(({ id }) => fleet.client.job(id)));
    expect(
      views.filter(
        ({ attempts, attemptList: list, node }) =>
          attempts !== 1 || list.length !== 1 || list[0]?.node !== node,
      ),
    ).toEqual([]);
    const shares = Map.groupBy(views, ({ node }) => node);
    expect([...shares.keys()].sort()).toEqual(fleet.workers.map(({ node }) => node).sort());
    for (const share of shares.values()) expect(share.length).toBeGreaterThan(JOBS / 10);

    for (const [node, [job]] of shares) {
      const id = job?.id ?? '';
      expect((await fleet.log(id)).toString()).toBe(`${id}.1\n`);
      const { spans } = await fleet.client.trace(id);
      expect(spans.find(({ name }) => name === 'attempt 1')?.attributes['cronium.node']).toBe(node);
      expect(spans.map(({ name }) => name)).toContain('run');
    }
  },
  5 * WAIT_MS,
);

test('cronium workers shows both', async () => {
  const view: WorkersView = JSON.parse((await cronium(fleet, ['workers', '--json'])).stdout);
  const shown = view.workers.map(({ node, state }) => ({ node, state }));
  expect(shown).toEqual(expect.arrayContaining(fleet.workers.map(({ node }) => ({ node, state: 'ready' }))));
  const table = (await cronium(fleet, ['workers'])).stdout;
  for (const { node } of fleet.workers) expect(table).toContain(node);
});
