import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { eventually } from '@cronium/testing';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { playSample, type Sample } from './sample.ts';
import { KEY, openStage, type Stage } from './stage.ts';
import { visit } from './visit.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const FIRST_LOAD_BYTES = 200_000;
const DESKTOP: BrowserContextOptions = { viewport: { width: 1280, height: 800 }, colorScheme: 'light' };
const PHONE: BrowserContextOptions = { viewport: { width: 390, height: 800 }, colorScheme: 'dark' };

let stage: Stage;
let sample: Sample;
beforeAll(async () => {
  stage = await openStage();
  sample = await playSample(stage);
});
afterAll(() => stage[Symbol.asyncDispose]());

/** What each page shows when it is there. */
const PAGES: Readonly<Record<string, { path: () => string; shows: string }>> = {
  overview: { path: () => '/', shows: 'Newest jobs that did not end well' },
  jobs: { path: () => '/jobs', shows: 'train model' },
  'running job': { path: () => `/jobs/${sample.running.id}`, shows: 'learning rate is high' },
  'failed job': { path: () => `/jobs/${sample.failed.id}`, shows: 'Killed' },
  'trace of a job': { path: () => `/jobs/${sample.succeeded.id}?tab=trace`, shows: 'container start' },
  artifacts: { path: () => `/jobs/${sample.running.id}?tab=artifacts`, shows: 'models/epoch 1.csv' },
  'no artifacts': { path: () => `/jobs/${sample.failed.id}?tab=artifacts`, shows: 'No artifacts' },
  attempts: { path: () => `/jobs/${sample.failed.id}?tab=attempts`, shows: 'What happened' },
  spec: { path: () => `/jobs/${sample.failed.id}?tab=spec`, shows: '"language": "bash"' },
  batches: { path: () => '/batches', shows: 'november import' },
  batch: { path: () => `/batches/${sample.batchId}`, shows: 'Failures by cause' },
  traces: { path: () => '/traces', shows: 'send invoices' },
  trace: {
    path: () => `/traces/${sample.succeeded.payload.traceId}?span=00000000000000a0`,
    shows: 'invoice.count',
  },
  flows: { path: () => '/flows', shows: 'release' },
  flow: { path: () => `/flows/${sample.flowId}`, shows: 'build set no condition' },
  schedules: { path: () => '/schedules', shows: 'Europe/Berlin' },
  audit: { path: () => '/audit', shows: 'nightly-report' },
  'audit of one action': { path: () => '/audit?action=flow', shows: 'release' },
  workers: { path: () => '/workers', shows: 'Docker does not answer' },
  variables: { path: () => '/settings/variables', shows: 'report/last-run' },
  secrets: { path: () => '/settings/secrets', shows: 'SMTP_PASSWORD' },
  keys: { path: () => '/settings/keys', shows: 'Make a key' },
  'no such job': { path: () => '/jobs/job_aaaaaaaaaaaa', shows: 'There is no such job' },
};

const TALLEST_LABEL =
  "Math.max(0, ...[...document.querySelectorAll('.chip')].map((chip) => chip.getBoundingClientRect().height))";
/** Three lines of it. */
const MOST_LABEL_PIXELS = 70;

interface Finding {
  readonly id: string;
  readonly impact: string | null;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
}

/** What axe finds of WCAG A and AA, the serious and critical. */
async function findings(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const tags = "{ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }";
  const { violations } = await page.evaluate<{ violations: Finding[] }>(`axe.run(document, ${tags})`);
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes[0]?.html} ${nodes[0]?.failureSummary}`);
}

/** A page that remembers what the browser complained of: errors, and what the policy refused. */
async function openPage(options: BrowserContextOptions): Promise<{ page: Page; complaints: string[] }> {
  // axe itself is put into the page: the policy is for the page's own files, and is looked at in another test.
  const context = await stage.browser.newContext({ ...options, bypassCSP: true });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/404|NETWORK_CHANGED/.test(message.text()))
      complaints.push(message.text());
  });
  await visit(page, stage.signedIn('/workers'));
  await page.getByText('node-1').first().waitFor();
  return { page, complaints };
}

test.each([
  ['a desktop, light', DESKTOP],
  ['a phone, dark', PHONE],
])('every page on %s: it is there, nothing overflows, axe has no serious finding', async (_name, options) => {
  const { page, complaints } = await openPage(options);
  const found: Record<string, string[]> = {};
  for (const [name, { path, shows }] of Object.entries(PAGES)) {
    await visit(page, `${stage.line.url}${path()}`);
    await page.getByText(shows).first().waitFor();
    const own = await findings(page);
    const wide = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
    if (wide > 0) own.push(`the page is ${wide} pixels too wide`);
    const label = await page.evaluate<number>(TALLEST_LABEL);
    if (label > MOST_LABEL_PIXELS) own.push(`a label is ${label} pixels high`);
    if ((await page.locator('main img, main script').count()) > 0) own.push('a name became markup');
    if (own.length > 0) found[name] = own;
  }
  expect(found).toEqual({});
  expect(complaints).toEqual([]);
  await page.context().close();
});

test('under its own policy nothing is refused, and the first load is small', async () => {
  const context = await stage.browser.newContext();
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' && !/401|NETWORK_CHANGED/.test(message.text()))
      complaints.push(message.text());
  });
  const scripts: Promise<number>[] = [];
  page.on('requestfinished', (request) => {
    if (request.url().endsWith('.js'))
      scripts.push(request.sizes().then(({ responseBodySize }) => responseBodySize));
  });
  await visit(page, stage.signedIn('/'));
  await page.getByText('Newest jobs that did not end well').waitFor();
  await page.locator('canvas').first().waitFor();
  const bytes = (await Promise.all(scripts)).reduce((sum, size) => sum + size, 0);
  process.stdout.write(
    `first load of the overview: ${(bytes / 1000).toFixed(1)} kB of compressed JavaScript\n`,
  );
  expect(bytes).toBeGreaterThan(10_000);
  expect(bytes).toBeLessThan(FIRST_LOAD_BYTES);
  expect(page.url()).not.toContain('key=');
  expect(complaints).toEqual([]);
  await context.close();
});

test('a schedule is paused, resumed and deleted, a flow cancelled, and the audit log says so', async () => {
  const { page } = await openPage(DESKTOP);
  await visit(page, `${stage.line.url}/schedules`);
  const row = page.getByRole('row', { name: 'nightly-report' });
  const act = async (button: string, sure: string) => {
    await row.getByRole('button', { name: button }).click();
    await page.getByRole('button', { name: sure }).click();
  };
  await act('Pause', 'Pause the schedule');
  await row.getByText('Paused').waitFor();
  expect((await stage.client.schedules.get('nightly-report')).paused).toBe(true);
  await act('Resume', 'Resume the schedule');
  await row.getByText('29 Feb').waitFor();
  await act('Delete', 'Delete the schedule');
  await row.waitFor({ state: 'detached' });
  expect((await stage.client.schedules.list()).map(({ name }) => name)).toEqual(['sweep']);
  await visit(page, `${stage.line.url}/flows/${sample.flowId}`);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Cancel the flow' }).click();
  await page.getByText('the flow was cancelled by tester').waitFor();
  await visit(page, `${stage.line.url}/audit?action=schedule.delete`);
  await page.getByRole('row', { name: 'tester schedule.delete nightly-report' }).waitFor();
  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Export' }).click();
  const lines = readFileSync(await (await download).path(), 'utf8')
    .trimEnd()
    .split('\n');
  expect(lines.map((line) => JSON.parse(line).target)).toEqual(['nightly-report']);
  await page.context().close();
});

test('a job’s artifacts are downloaded from its page; a row says how long the program itself ran', async () => {
  const { page } = await openPage(DESKTOP);
  await visit(page, `${stage.line.url}/jobs/${sample.running.id}?tab=artifacts`);
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'models/epoch 1.csv' }).click(),
  ]);
  expect(download.suggestedFilename()).toBe('epoch 1.csv');
  expect(readFileSync(await download.path(), 'utf8')).toBe('epoch,loss\n1,0.4821\n');
  await visit(page, `${stage.line.url}/jobs/${sample.succeeded.id}`);
  const ran = await page.locator('.facts div:has(dt:text-is("Ran")) dd').textContent();
  await visit(page, `${stage.line.url}/jobs?name=${encodeURIComponent('send invoices')}`);
  const row = page.getByRole('row').filter({ hasText: sample.succeeded.id });
  await expect(row.getByRole('cell').nth(6).textContent()).resolves.toBe(ran);
  await page.context().close();
});

test('a page whose file cannot be had says so, and is there when it can', async () => {
  const { page } = await openPage(DESKTOP);
  let asked = 0;
  page.on('request', (request) => {
    if (/schedules[^/]*\.js/.test(request.url())) asked += 1;
  });
  await page.route('**/schedules*.js', (route) => route.abort());
  await page.getByRole('link', { name: 'Schedules' }).click();
  await page.getByText('This page could not be loaded.').waitFor();
  // It was tried a second time with the whole site.
  expect(asked).toBeGreaterThan(1);
  await page.unroute('**/schedules*.js');
  const again = page.getByRole('button', { name: 'Try again' });
  // It may be in vain: a browser drops what it loads when a network of the machine comes or goes.
  const isThere = async () => {
    if (await again.isVisible()) await again.click();
    return page.getByRole('columnheader', { name: 'Schedule' }).isVisible();
  };
  await eventually(isThere, { what: 'the page is there', everyMs: 500 });
  expect(page.url()).toBe(`${stage.line.url}/schedules`);
  await page.context().close();
});

test('without a key the page asks for one, says when it is wrong, and takes one from its address; an unknown address says so', async () => {
  const context = await stage.browser.newContext({ bypassCSP: true });
  const page = await context.newPage();
  await visit(page, stage.line.url);
  await page.getByLabel('API key').fill('wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('does not know that key').waitFor();
  expect(await findings(page)).toEqual([]);
  await page.evaluate(`location.hash = '#key=${KEY}'`);
  await page
    .getByRole('link', { name: 'Sign out' })
    .or(page.getByRole('button', { name: 'Sign out' }))
    .waitFor();
  expect(page.url()).not.toContain('key=');
  await visit(page, `${stage.line.url}/nowhere`);
  await page.getByText('There is no such page').waitFor();
  await context.close();
});
