import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { CATALOG, type MetricName } from '@cronium/telemetry';
import { eventually } from '@cronium/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { dashboardQueries } from '../../grafana/dashboards.ts';
import { bootstrapContext } from '../../local/engine/context.ts';
import { ensurePrometheus, type PrometheusPrograms, startPrometheus } from '../../local/engine/prometheus.ts';
import { TestFleet } from './harness.ts';
import { bash, WAIT_MS } from './jobs.ts';

const GRAFANA = resolve(import.meta.dirname, '../../grafana');
const run = promisify(execFile);
const stack = new AsyncDisposableStack();
const context = bootstrapContext({ env: process.env, report: () => undefined });
let programs: PrometheusPrograms;
let folder: string;

beforeAll(async () => {
  programs = await ensurePrometheus(context);
  folder = mkdtempSync(join(tmpdir(), 'prometheus-'));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
});
afterAll(() => stack.disposeAsync());

const promtool = (...args: string[]) => run(programs.promtool, args, { cwd: GRAFANA });

/** The shipped configuration and rules, in a hurry: real services are asked each second, and alerts do not wait. */
function hurried(targets: readonly string[]): string {
  mkdirSync(folder, { recursive: true });
  const rules = readFileSync(join(GRAFANA, 'alerts.yml'), 'utf8').replace(/ {8}for: \d+m\n/g, '');
  writeFileSync(join(folder, 'alerts.yml'), rules);
  return readFileSync(join(GRAFANA, 'prometheus.yml'), 'utf8')
    .replace(/_interval: 15s/g, '_interval: 1s')
    .replace(/( *- targets:\n)(?: +- \S+\n)+/, `$1            [${targets.join(', ')}]\n`);
}

const answer = z.object({ status: z.literal('success'), data: z.unknown() });

async function ask(url: string): Promise<unknown> {
  const response = await fetch(url);
  return answer.parse(await response.json()).data;
}

const firing = z.object({
  alerts: z.array(z.object({ state: z.string(), labels: z.record(z.string(), z.string()) })),
});
async function firingAlerts(url: string): Promise<string[]> {
  const { alerts } = firing.parse(await ask(`${url}/api/v1/alerts`));
  return alerts.filter(({ state }) => state === 'firing').map(({ labels }) => labels.alertname ?? '');
}

test('promtool finds the configuration and the rules right, and they fire when they should', async () => {
  await promtool('check', 'rules', 'alerts.yml');
  await promtool('check', 'config', 'prometheus.yml');
  const { stdout } = await promtool('test', 'rules', 'alerts.test.yml');
  expect(stdout).toContain('SUCCESS');
  copyFileSync(join(GRAFANA, 'alerts.yml'), join(folder, 'alerts.yml'));
});

/** Nothing of the kind happens in this run, or only with a collector. */
const UNSEEN: readonly MetricName[] = [
  'scrape_failures_total',
  'producer_jobs_rejected_total',
  'traces_exported_total',
  'trace_spans_exported_total',
  'traces_dropped_total',
  'traces_waiting',
  'webhook_tries_total',
  'webhooks_given_up_total',
];

test('a real Prometheus reads every service, has every metric, and raises the alarm when no worker is left', async () => {
  await using fleet = await TestFleet.start();
  const [worker] = fleet.workers;
  if (worker === undefined) throw new Error('the fleet has no worker');
  const services = [fleet.producer, fleet.results, worker];
  const configuration = hurried(services.map(({ url }) => new URL(url).host));
  await using prometheus = await startPrometheus(context, {
    programs,
    dir: folder,
    configuration,
  });
  await prometheus.start();
  const { url } = prometheus;
  expect(await fleet.run(bash('echo hi'))).toMatchObject({ state: 'succeeded' });

  const names = Object.keys(CATALOG).filter((name) => !UNSEEN.some((one) => one === name));
  await eventually(
    async () => {
      const seen = z.record(z.string(), z.unknown()).parse(await ask(`${url}/api/v1/metadata`));
      const missing = names.filter((name) => seen[`cronium_${name}`] === undefined);
      if (missing.length > 0) throw new Error(`not seen: ${missing.join(', ')}`);
      return true;
    },
    { what: 'Prometheus knows every metric of the catalogue', timeoutMs: WAIT_MS },
  );
  for (const query of dashboardQueries()) {
    const concrete = query.replaceAll('$__rate_interval', '1m').replaceAll('$node', '.*');
    await ask(`${url}/api/v1/query?query=${encodeURIComponent(concrete)}`);
  }
  expect(await firingAlerts(url)).not.toContain('CroniumNoWorkers');

  await worker.stop();
  const until = (what: string, isSo: (alerts: string[]) => boolean) =>
    eventually(
      async () => {
        const alerts = await firingAlerts(url);
        if (!isSo(alerts)) throw new Error(`firing: ${alerts.join(', ')}`);
        return alerts;
      },
      { what, timeoutMs: WAIT_MS },
    );
  await until('the alert fires', (alerts) => alerts.includes('CroniumNoWorkers'));
  await fleet.client.submit(bash('true'));
  await until('the pool’s alert fires too', (alerts) => alerts.includes('CroniumPoolWithoutWorkers'));
  await worker.start();
  await until('the alerts end', (alerts) => !alerts.some((name) => /Workers$/.test(name)));
});
