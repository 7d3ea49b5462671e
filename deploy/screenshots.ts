/**
 * `npm run screenshots`: runs the demo's jobs and a few more in a real local fleet, and takes the README's pictures of its
 * dashboard.
 */
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { CroniumClient } from '@cronium/client';
import type { JobInput } from '@cronium/contracts';
import { type BrowserContext, chromium } from 'playwright-core';
import { bootstrapContext, ensureChromium } from './local/bootstrap.ts';
import { startFleet } from './local/fleet.ts';

const ROOT = resolve(import.meta.dirname, '..');
const FOLDER = join(ROOT, 'docs/images');
const PORT_BASE = 7870;
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-sync'];
const SIZE = { width: 1360, height: 850 };

const report = (line: string): void => void process.stdout.write(`${line}\n`);

async function playJobs() {
  const { batchId } = await client.submitBatch(batchOf(40), { name: 'november import' });
  const failed = await client.submit(
    bash('nightly report', 'echo "loading 1,204,113 rows"\ntail /dev/zero', { resources: { memoryMiB: 64 } }),
  );
  await client.waitForBatch(batchId);
  await client.waitForJob(failed.id);
  const traced = await client.submit(bash('send invoices', SETUP_SCRIPT, { setup: 'sleep 0.2' }));
  await client.waitForJob(traced.id);
  const running = await client.submit(
    bash('train model', TRAINING, { labels: { team: 'ml', stage: 'prod' } }),
  );
  for (let lines = 0; lines < 40; ) {
    await pause(300);
    lines = (await client.job(running.id)).attemptList.at(-1)?.log.lines ?? 0;
  }
  report('Every job has run; taking the pictures.');
  return { batchId, failed, traced, running };
}

function bash(name: string, source: string, rest: Record<string, unknown> = {}): JobInput {
  const { setup, ...spec } = rest;
  return {
    type: 'script',
    name,
    script: { language: 'bash', source, ...(setup !== undefined && { setup }) },
    ...spec,
  } as JobInput;
}

function batchOf(count: number): JobInput[] {
  return Array.from({ length: count }, (_, index) => {
    const label = { labels: { team: index % 2 === 0 ? 'data' : 'web', shard: String(index % 8) } };
    if (index % 13 === 7)
      return bash(`import shard ${index}`, 'echo "KeyError: customer_id" >&2; exit 3', label);
    return bash(`import shard ${index}`, `echo "shard ${index}"; sleep 0.${index % 7}`, label);
  });
}

/** Colours, both streams, a growing log. */
const TRAINING = String.raw`
for epoch in $(seq 1 400); do
  printf '\033[1mEpoch %d/400\033[0m  loss \033[33m0.%04d\033[0m  accuracy \033[32m0.%03d\033[0m\n' $epoch $((9000 / epoch)) $((700 + epoch / 2))
  [ $((epoch % 9)) = 0 ] && printf '\033[31mwarning:\033[0m the learning rate is high\n' >&2
  [ $((epoch % 5)) = 0 ] && printf '\033[36mcheckpoint\033[0m /workspace/model-%d.bin saved\n' $epoch
  sleep 0.2
done`;

const SETUP_SCRIPT = 'for i in $(seq 1 20); do echo "invoice $i sent"; sleep 0.05; done';

/** What a page has when it may be taken; a log otherwise. */
const READY: Readonly<Record<string, string>> = {
  overview: 'canvas',
  death: '.death .message',
  trace: '.span-bar',
  batch: '.failure-group',
};

async function takeAll(): Promise<void> {
  const pages = {
    overview: '/?minutes=15',
    job: `/jobs/${jobs.running.id}`,
    death: `/jobs/${jobs.failed.id}`,
    trace: `/traces/${jobs.traced.traceId}`,
    batch: `/batches/${jobs.batchId}`,
  };
  const dark = await browser.newContext({ viewport: SIZE, colorScheme: 'dark', deviceScaleFactor: 1.5 });
  for (const [name, path] of Object.entries(pages)) await take(dark, name, path);
  const light = await browser.newContext({ viewport: SIZE, colorScheme: 'light', deviceScaleFactor: 1.5 });
  await take(light, 'job-light', pages.job);
  const phone = await browser.newContext({
    viewport: { width: 390, height: 800 },
    colorScheme: 'dark',
    deviceScaleFactor: 2,
  });
  await take(phone, 'job-phone', pages.job);
}

async function take(pages: BrowserContext, name: string, path: string): Promise<void> {
  const page = await pages.newPage();
  const url = new URL(dashboardUrl);
  await page.goto(`${url.origin}${path}${url.hash}`);
  await page
    .locator(READY[name] ?? '.log-text')
    .first()
    .waitFor();
  await page.evaluate('document.fonts.ready');
  await page.screenshot({ path: join(FOLDER, `${name}.png`) });
  report(`docs/images/${name}.png`);
  await page.close();
}

const context = bootstrapContext({ env: process.env, report });
const browserFiles = await ensureChromium(context);
// process.exit() would leave what `await using` holds; so the stack is closed before it.
await using stack = new AsyncDisposableStack();
const fleet = stack.use(await startFleet({ env: process.env, report, portBase: PORT_BASE, workers: 2 }));
const { producerUrl, resultsUrl, apiKey, dashboardUrl } = fleet.local;
const client = new CroniumClient({ producerUrl, resultsUrl, apiKey });
const jobs = await playJobs();
stack.defer(async () => void (await client.cancel(jobs.running.id)));
const browser = stack.use(
  await chromium.launch({
    executablePath: browserFiles.path,
    args: FLAGS,
    chromiumSandbox: false,
    env: { ...process.env, ...browserFiles.env } as Record<string, string>,
  }),
);
await mkdir(FOLDER, { recursive: true });
await takeAll();
await stack.disposeAsync();
process.exit(0);
