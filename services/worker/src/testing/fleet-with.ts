import { eventually, testEnvironment } from '@cronium/testing';
import { TestFleet, type TestWorkerOptions } from './fleet.ts';
import type { Step } from './scripted-host.ts';

/** A fleet with one worker; both are gone at the test's end. */
export async function fleetWith(options: TestWorkerOptions = {}) {
  const fleet = new TestFleet(testEnvironment().valkeyUrl);
  const worker = await fleet.worker(options);
  const ended = (jobId: string) =>
    eventually(() => fleet.results.end(jobId), { what: `${jobId} has ended`, everyMs: 10 });
  return {
    fleet,
    worker,
    ended,
    /** Runs one job to its end by a script. */
    run: async (steps: readonly Step[] | ((attempt: number) => readonly Step[]), input = {}) => {
      fleet.scripts.story = typeof steps === 'function' ? steps : () => steps;
      return ended(await fleet.submit({ name: 'story', ...input }));
    },
    queueIsEmpty: () =>
      eventually(async () => (await (await fleet.queue()).getJobCounts()).active === 0, {
        what: 'the queue is settled',
      }),
    [Symbol.asyncDispose]: () => fleet[Symbol.asyncDispose](),
  };
}
