import { describe, expect, it } from 'vitest';
import { boundedLabel, createMetrics } from './metrics.ts';

describe('metrics', () => {
  it('offer the process’s own values and the event loop’s delay', async () => {
    const text = await createMetrics('worker', { node: 'n1' }).text();
    expect(text).toMatch(/^process_resident_memory_bytes\{service="worker",node="n1"\} \d+/m);
    expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds\{service="worker",node="n1"\} /m);
  });

  it('count, gauge and measure under the catalogue’s names and words', async () => {
    const metrics = createMetrics('producer');
    metrics.counter('producer_jobs_accepted_total').inc({ source: 'batch' }, 2);
    let oldest = 7;
    metrics.read('queue_oldest_seconds', () => [{ labels: { pool: 'default' }, value: oldest }]);
    metrics.readOne('events_waiting', async () => 3);
    metrics.histogram('producer_request_seconds').observe({ method: 'GET' }, 1.5);
    oldest = 8;
    const text = await metrics.text();
    expect(text).toContain('# HELP cronium_producer_jobs_accepted_total Jobs that were put into the queue.');
    expect(text).toContain('cronium_producer_jobs_accepted_total{source="batch",service="producer"} 2');
    expect(text).toContain('cronium_queue_oldest_seconds{pool="default",service="producer"} 8');
    expect(text).toContain('cronium_events_waiting{service="producer"} 3');
    expect(text).toContain(
      'cronium_producer_request_seconds_bucket{le="2.5",service="producer",method="GET"} 1',
    );
  });

  it('a value that cannot be read is missing and counted; what was read before is not shown again', async () => {
    const metrics = createMetrics('results');
    let away = false;
    metrics.read('workers', async () => {
      if (away) throw new Error('Valkey is away');
      return [{ labels: { state: 'ready' }, value: 1 }];
    });
    expect(await metrics.text()).toContain('cronium_workers{state="ready",service="results"} 1');
    away = true;
    expect(await metrics.text()).not.toContain('cronium_workers{');
    expect(await metrics.text()).toMatch(/cronium_scrape_failures_total\{metric="cronium_workers",.*\} [12]/);
  });

  it('a label that strangers choose takes a bounded number of values', () => {
    const pool = boundedLabel(2);
    expect(['a', 'b', 'c', 'a', 'd'].map(pool)).toEqual(['a', 'b', 'other', 'a', 'other']);
  });

  it('keep two services in one process apart', async () => {
    const [one, two] = [createMetrics('a'), createMetrics('b')];
    one.counter('claims_total').inc({ pool: 'default' });
    expect(await two.text()).not.toContain('cronium_claims_total');
  });
});
