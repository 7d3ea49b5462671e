import { eventually } from '@cronium/testing';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { openLine } from './line.ts';
import type { ScriptedLine, ScriptedPayload } from './scripted-node.ts';
import { KEY, openStage, type Stage } from './stage.ts';
import { visit } from './visit.ts';

let stage: Stage;
let page: Page;
let longCut: Promise<LongCut>;
beforeAll(async () => {
  stage = await openStage();
  // It takes its time beside the other tests; the last one looks at what came of it.
  longCut = cutForTenSeconds();
  longCut.catch(() => undefined);
});
afterAll(() => stage[Symbol.asyncDispose]());
beforeEach(async () => {
  stage.line.set('open');
  page = await (await stage.browser.newContext({ viewport: { width: 1200, height: 900 } })).newPage();
});
afterEach(() => page.context().close());

const LINK = '.link-state';

async function runningJob(
  lines: readonly ScriptedLine[],
  name = 'import customers',
): Promise<ScriptedPayload> {
  const job = stage.node.payload({ name });
  await stage.node.report(job);
  await stage.node.writeLog(job.id, lines);
  return job;
}

const numbered = (count: number, from = 1): ScriptedLine[] =>
  Array.from({ length: count }, (_, index) => ({ text: `line number ${from + index}` }));

const open = (job: ScriptedPayload) => visit(page, stage.signedIn(`/jobs/${job.id}`));
const linkBecomes = (state: string, of: Page = page) =>
  eventually(async () => (await of.locator(LINK).getAttribute('data-state')) === state, {
    what: `the page is ${state}`,
    timeoutMs: 40_000,
  });

/** The numbers of the lines in sight, as the page shows them. */
async function shownLines(of: Page = page): Promise<number[]> {
  return of.evaluate<number[]>(
    "[...document.querySelectorAll('.log-row:has(.log-text) .log-number')].map((one) => Number(one.textContent))",
  );
}

/** What a page showed while its connection was cut, and after it came back. */
interface LongCut {
  readonly during: readonly number[];
  readonly after: readonly number[];
  readonly cutMs: number;
}

const CUT_SECONDS = 10;

/** Cuts the connection of a page of its own, while its job writes a line each second. */
async function cutForTenSeconds(): Promise<LongCut> {
  await using line = await openLine(Number(new URL(stage.resultsUrl).port));
  const own = await (await stage.browser.newContext({ viewport: { width: 1200, height: 900 } })).newPage();
  const job = await runningJob(numbered(3));
  await visit(own, `${line.url}/jobs/${job.id}#key=${KEY}`);
  await linkBecomes('live', own);
  await own.getByText('line number 3').waitFor();
  line.set('cut');
  const begun = performance.now();
  await linkBecomes('reconnecting', own);
  for (let second = 1; second <= CUT_SECONDS; second++) {
    await stage.node.writeLog(job.id, numbered(1, 3 + second));
    await eventually(() => performance.now() - begun > second * 1000, { what: 'a second', everyMs: 50 });
  }
  await linkBecomes('reconnecting', own);
  const during = await shownLines(own);
  const cutMs = performance.now() - begun;
  line.set('open');
  await linkBecomes('live', own);
  await own.getByText(`line number ${3 + CUT_SECONDS}`, { exact: true }).waitFor();
  const after = await shownLines(own);
  await own.context().close();
  return { during, after, cutMs };
}

test('a job is found in the list; its page shows its log with colours, and lines as they are written', async () => {
  const job = await runningJob([{ text: '\u001b[32mhello\u001b[0m world' }], 'find me');
  await visit(page, stage.signedIn('/jobs?name=FIND'));
  await page.getByRole('link', { name: 'find me' }).click();
  await page.getByText('world').waitFor();
  expect(await page.getByText('hello', { exact: true }).getAttribute('style')).toContain('--ansi-2');
  expect(page.url()).toBe(`${stage.line.url}/jobs/${job.id}`);
  await stage.node.writeLog(job.id, [{ text: 'oops', stream: 'stderr' }]);
  await page.getByText('oops').waitFor();
  await stage.node.report(job, { state: 'draining' });
  await page.getByText('Draining').waitFor();
});

test('a cut connection shows “reconnecting”; afterwards every line is there once, in order', async () => {
  const job = await runningJob(numbered(3));
  await open(job);
  await linkBecomes('live');
  await page.getByText('line number 3').waitFor();
  stage.line.set('cut');
  await linkBecomes('reconnecting');
  for (let from = 4; from <= 20; from += 4) await stage.node.writeLog(job.id, numbered(4, from));
  expect(await shownLines()).toEqual([1, 2, 3]);
  stage.line.set('open');
  await linkBecomes('live');
  await page.getByText('line number 23').waitFor();
  const all = Array.from({ length: 23 }, (_, index) => index + 1);
  await eventually(async () => (await shownLines()).join() === all.join(), {
    what: 'every line, once, in order',
  });
});

test('where WebSockets are blocked the page polls, and moves all the same', async () => {
  stage.line.set('no-websockets');
  const job = await runningJob(numbered(1));
  await open(job);
  await linkBecomes('polling');
  await stage.node.writeLog(job.id, numbered(1, 2));
  await page.getByText('line number 2').waitFor();
  await stage.node.report(job, { state: 'draining' });
  await page.getByText('Draining').waitFor();
  stage.line.set('open');
  await linkBecomes('live');
});

test('names and logs are text, whatever they hold', async () => {
  const script = '<script>document.title = "taken"</script><img src=x onerror="document.title=\'taken\'">';
  const job = await runningJob([{ text: script }, { text: `\u001b[31m${script}` }], script);
  await visit(page, stage.signedIn('/jobs'));
  await page.getByText(script).click();
  await page.locator('.log-text', { hasText: script }).nth(1).waitFor();
  expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe(script);
  expect(await page.title()).toBe(`${script} · Cronium Fleet`);
  expect(await page.locator('main img, main script').count()).toBe(0);
  expect(job.payload.spec.name).toBe(script);
});

test('an ended job is retried, a queued one cancelled, through the real producer', async () => {
  const { id } = await stage.client.submit({
    type: 'script',
    name: 'to be cancelled',
    script: { language: 'bash', source: 'true' },
  });
  await visit(page, stage.signedIn(`/jobs/${id}`));
  await page.getByText('Why it waits').waitFor();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Cancel the job' }).click();
  await page.getByText('Cancelled', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Retry' }).click();
  await page.getByText('Queued', { exact: true }).waitFor();
  expect((await stage.client.job(id)).state).toBe('queued');
});

test('a million lines: the end is followed, any place is reached, what is searched is found', async () => {
  const job = await runningJob([]);
  for (let from = 1; from <= 1_000_000; from += 100_000)
    await stage.node.writeLog(job.id, numbered(100_000, from));
  await open(job);
  await page.getByText('line number 1000000', { exact: true }).waitFor();
  const scroller = page.locator('.log-scroller');
  await scroller.focus();
  await page.keyboard.press('Home');
  await page.getByText('line number 1', { exact: true }).waitFor();
  await page.evaluate(
    "{ const log = document.querySelector('.log-scroller'); log.scrollTop = log.scrollHeight / 2; }",
  );
  await eventually(async () => (await shownLines()).some((line) => line > 400_000 && line < 600_000), {
    what: 'the middle is shown',
  });
  await page.getByLabel('Search the log').fill('NUMBER 777777');
  await page.getByText('1 line', { exact: true }).waitFor({ timeout: 60_000 });
  await page.keyboard.press('Enter');
  await page.locator('mark', { hasText: 'number 777777' }).waitFor();
  await page.getByRole('button', { name: 'Only these' }).click();
  await eventually(async () => (await shownLines()).join() === '777777', { what: 'only the match is shown' });
});

test('20,000 lines a second leave the page responsive', async () => {
  const job = await runningJob(numbered(1));
  await open(job);
  await linkBecomes('live');
  await page.evaluate(`
    window.longest = 0;
    let last = performance.now();
    const frame = () => { const at = performance.now(); window.longest = Math.max(window.longest, at - last); last = at; requestAnimationFrame(frame); };
    requestAnimationFrame(frame);`);
  const begun = performance.now();
  for (let part = 0; part < 20; part++) {
    await stage.node.writeLog(job.id, numbered(5000, 2 + part * 5000));
    await eventually(() => performance.now() - begun > part * 250, {
      what: 'a quarter of a second',
      everyMs: 10,
    });
  }
  await page.getByText('line number 100001', { exact: true }).waitFor();
  const longest = await page.evaluate<number>('window.longest');
  const rows = await page.locator('.log-row').count();
  const tookMs = performance.now() - begun;
  process.stdout.write(
    `100,000 lines in ${tookMs.toFixed(0)} ms: longest frame ${longest.toFixed(0)} ms, ${rows} rows in the page\n`,
  );
  expect(rows).toBeLessThan(120);
  await page.getByRole('link', { name: 'Attempts' }).click();
  await page.getByText('100,001 lines').waitFor();
});

test('after a cut of ten seconds every missed line is there once, in order', async () => {
  const { during, after, cutMs } = await longCut;
  expect(cutMs).toBeGreaterThan(CUT_SECONDS * 1000);
  expect(during).toEqual([1, 2, 3]);
  expect(after).toEqual(Array.from({ length: 3 + CUT_SECONDS }, (_, index) => index + 1));
});
