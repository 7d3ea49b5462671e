import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@cronium/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LocalService } from '../local/bootstrap.ts';
import { TestFleet } from '../test/e2e/harness.ts';
import { bash, WAIT_MS } from '../test/e2e/jobs.ts';
import { killStore, openStores, startStore } from './bed.ts';

const TIMES = { CRONIUM_LOCK_SECONDS: '6', CRONIUM_FORGOTTEN_SECONDS: '15', CRONIUM_SLOTS: '8' };

let fleet: TestFleet;
let valkey: LocalService;
let folder: string;
const stack = new AsyncDisposableStack();
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'failover-'));
  stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const stores = await openStores(stack, folder);
  valkey = stores.valkey;
  const urls = { valkeyUrl: valkey.url, databaseUrl: stores.postgres.url };
  fleet = stack.use(await TestFleet.start({ env: TIMES, stores: urls }));
});
afterAll(() => stack.disposeAsync());

const live = () => join(folder, 'valkey/data');
const kept = () => join(folder, 'valkey/kept');

/** Valkey as it is now is what the replica has. */
const replicate = () => cp(live(), kept(), { recursive: true });

/** The primary is gone, and the replica that lacks the last writes takes its place. */
async function failOver(): Promise<void> {
  await killStore(valkey);
  await rm(live(), { recursive: true, maxRetries: 5 });
  await cp(kept(), live(), { recursive: true });
  await startStore(valkey);
}

const COUNTED = '. /usr/local/bin/cronium.sh; echo "run $(cronium_increment_variable "$CRONIUM_JOB_ID")"';

test(
  'after a failover that lost the last writes every accepted job still ends, and none that had ended runs again',
  async () => {
    // These are in the replica as waiting, and have ended when it takes over.
    const early = await Promise.all([1, 2].map(() => fleet.submit(bash(COUNTED, { pool: 'early' }))));
    await replicate();
    await fleet.addWorker({ env: { CRONIUM_POOLS: 'early' } });
    const ended = await Promise.all([1, 2].map(() => fleet.submit(bash(COUNTED))));
    const until = 'until [ "${CRONIUM_EXECUTION_ID##*.}" != 1 ]; do sleep 0.2; done';
    const running = await Promise.all(
      [1, 2].map(() => fleet.submit(bash(`echo begun; ${until}; echo done`))),
    );
    const waiting = await Promise.all([1, 2].map(() => fleet.submit(bash('echo waited', { pool: 'late' }))));
    for (const id of [...early, ...ended])
      expect(await fleet.ended(id)).toMatchObject({ state: 'succeeded' });
    for (const id of running) await fleet.prints(id, 'begun');
    for (const id of waiting) expect(await fleet.client.job(id)).toMatchObject({ state: 'queued' });

    await failOver();
    await fleet.addWorker({ env: { CRONIUM_POOLS: 'late' } });

    for (const id of running) {
      expect(await fleet.ended(id)).toMatchObject({ state: 'succeeded', attempts: 2 });
      expect((await fleet.log(id)).toString()).toBe('begun\ndone\n');
    }
    for (const id of waiting) {
      expect(await fleet.ended(id)).toMatchObject({ state: 'succeeded', attempts: 1 });
      expect((await fleet.log(id)).toString()).toBe('waited\n');
    }
    const balanced = async () => (await fleet.client.accounts()).balanced;
    await eventually(balanced, { what: 'the accounts balance', timeoutMs: WAIT_MS });
    for (const id of [...early, ...ended]) {
      expect(await fleet.client.job(id)).toMatchObject({ state: 'succeeded', attempts: 1 });
      expect((await fleet.log(id)).toString()).toBe('run 1\n');
    }
    expect(await fleet.client.accounts()).toMatchObject({ accepted: 8, ended: 8, waiting: 0, running: 0 });
  },
  3 * WAIT_MS,
);

test(
  'a Valkey that is nearly full takes no new jobs, and those that it has run to their ends',
  async () => {
    const admin = new Redis(valkey.url);
    try {
      // More than there are slots: some are claimed while there is only the reserve.
      const source = 'echo begun; sleep 3; echo done';
      const ids = await Promise.all(Array.from({ length: 10 }, () => fleet.submit(bash(source))));
      await fleet.prints(ids[0] ?? '', 'begun');
      // Beside this, what is used for a moment does not count.
      await admin.set('ballast', Buffer.alloc(16 * 2 ** 20));
      const headers = { authorization: `Bearer ${fleet.facts.apiKey}`, 'content-type': 'application/json' };
      const body = JSON.stringify(bash('true'));
      const refused = await eventually(
        async () => {
          const used = Number(/^used_memory:(\d+)/m.exec(await admin.info('memory'))?.[1]);
          await admin.config('SET', 'maxmemory', Math.ceil(used * 1.05));
          const response = await fetch(`${fleet.producer.url}/v1/jobs`, { method: 'POST', headers, body });
          return response.status === 503 && response;
        },
        { what: 'no more jobs are taken' },
      );
      expect(refused.headers.get('retry-after')).toBe('10');
      for (const id of ids) {
        expect(await fleet.ended(id)).toMatchObject({ state: 'succeeded', attempts: 1 });
        expect((await fleet.log(id)).toString()).toBe('begun\ndone\n');
      }
      await admin.config('SET', 'maxmemory', '0');
      await admin.unlink('ballast');
      expect(await fleet.run(bash('true'))).toMatchObject({ state: 'succeeded' });
    } finally {
      admin.disconnect();
    }
  },
  2 * WAIT_MS,
);
