import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestFleet } from '../test/e2e/harness.ts';
import { WAIT_MS } from '../test/e2e/jobs.ts';
import { plot } from './plot.ts';
import { soak } from './soak.ts';

/** `npm run soak -- --jobs N` sets it. */
const jobs = Number(process.env.SOAK_JOBS ?? 10);
const PICTURE = resolve(import.meta.dirname, '../../.cronium/soak.svg');
/** Connections that are kept for the next request, and files of the log and the journal. */
const HANDLES_MORE = 15;

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await TestFleet.start({ workers: [{ env: { CRONIUM_SLOTS: '4' } }] });
});
afterAll(() => fleet?.[Symbol.asyncDispose]());

test(
  `after ${jobs} jobs no process holds more handles or sockets than after the first ones, and nothing is left of them`,
  async () => {
    // The first jobs open what is kept: connections, slots, prepared statements.
    await soak(fleet, 12);
    const { moments, succeeded, endless, charts } = await soak(fleet, jobs);
    expect(succeeded).toBe(jobs);
    await mkdir(join(PICTURE, '..'), { recursive: true });
    await writeFile(PICTURE, plot(charts()));
    const [first, last] = [moments[0], moments.at(-1)];
    for (const [name, before] of Object.entries(first?.processes ?? {})) {
      const after = last?.processes[name];
      expect(after?.handles, `${name}: handles`).toBeLessThanOrEqual(before.handles + HANDLES_MORE);
      expect(after?.sockets, `${name}: sockets`).toBeLessThanOrEqual(before.sockets + HANDLES_MORE);
    }
    expect(endless).toEqual([]);
    expect(last?.keys).toBeLessThanOrEqual((first?.keys ?? 0) + 5);
  },
  Math.max(3 * WAIT_MS, jobs * 5000),
);
