import { describe, expect, it } from 'vitest';
import { createMetrics } from './metrics.ts';

describe('metrics', () => {
  it('offer the process’s own values and the event loop’s delay', async () => {
    const text = await createMetrics('worker').text();
    expect(text).toMatch(/^process_resident_memory_bytes\{service="worker"\} \d+/m);
    expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds\{service="worker"\} /m);
  });

  it('count, gauge and measure under the fleet’s name', async () => {
    const metrics = createMetrics('producer');
    const accepted = metrics.counter({ name: 'jobs_accepted_total', help: 'Jobs.', labels: ['pool'] });
    accepted.inc({ pool: 'default' }, 2);
    let waiting = 7;
    metrics.gauge({ name: 'jobs_waiting', help: 'Jobs.', collect: (gauge) => gauge.set(waiting) });
    metrics.histogram({ name: 'enqueue_seconds', help: 'Time.', buckets: [1, 2] }).observe(1.5);
    waiting = 8;
    const text = await metrics.text();
    expect(text).toContain('cronium_jobs_accepted_total{pool="default",service="producer"} 2');
    expect(text).toContain('cronium_jobs_waiting{service="producer"} 8');
    expect(text).toContain('cronium_enqueue_seconds_bucket{le="2",service="producer"} 1');
    expect(metrics.contentType).toContain('text/plain');
  });

  it('keep two services in one process apart', async () => {
    const [one, two] = [createMetrics('a'), createMetrics('b')];
    one.counter({ name: 'things_total', help: 'Things.' }).inc();
    expect(await two.text()).not.toContain('cronium_things_total');
  });
});
