import { afterAll, beforeAll, expect, test } from 'vitest';
import { openStage, type Stage } from './stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

test('a job is found in the list; its page shows its log with colours, and lines as they are written', async () => {
  const job = stage.node.payload({ name: 'import customers', spec: { labels: { team: 'data' } } });
  await stage.node.report(job);
  await stage.node.writeLog(job.id, [{ text: '\u001b[32mhello\u001b[0m world' }]);
  const page = await stage.browser.newPage();
  await page.goto(stage.signedIn('/jobs'));
  await page.getByRole('link', { name: 'import customers' }).click();
  await page.getByText('world').waitFor();
  expect(await page.getByText('hello', { exact: true }).getAttribute('style')).toContain('--ansi-2');
  expect(page.url()).toBe(`${stage.line.url}/jobs/${job.id}`);
  await stage.node.writeLog(job.id, [{ text: 'oops', stream: 'stderr' }]);
  await page.getByText('oops').waitFor();
  await page.close();
});
