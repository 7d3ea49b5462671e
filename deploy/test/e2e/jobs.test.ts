import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestFleet } from './harness.ts';
import { bash, script } from './jobs.ts';

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await TestFleet.start();
});
afterAll(() => fleet?.[Symbol.asyncDispose]());

test('hello', async () => {
  const job = await fleet.run(bash('echo hi; echo $CRONIUM_JOB_ID >&2'));
  console.log(JSON.stringify(job, null, 1), (await fleet.log(job.id)).toString());
  const job2 = await fleet.run(bash('. /usr/local/bin/cronium.sh; cronium_output "hello $(cronium_input .name)"; cronium_info', {input:{name:'x'}}));
  console.log(job2, (await fleet.log(job2.id)).toString());
  expect(job.state).toBe('succeeded');
});
