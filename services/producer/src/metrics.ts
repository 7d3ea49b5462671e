import { createMetrics } from '@cronium/telemetry';

/** What the producer counts. */
export type Metrics = ReturnType<typeof createProducerMetrics>;

/** The producer's metrics, in a registry of their own. */
export function createProducerMetrics() {
  const metrics = createMetrics('producer');
  return {
    text: () => metrics.text(),
    contentType: metrics.contentType,
    jobs: metrics.counter({
      name: 'producer_jobs_accepted_total',
      help: 'Jobs that were put into the queue.',
      labels: ['source'],
    }),
    rejected: metrics.counter({
      name: 'producer_jobs_rejected_total',
      help: 'Jobs of batches that were not valid.',
    }),
    requests: metrics.counter({
      name: 'producer_requests_total',
      help: 'Requests by method and status.',
      labels: ['method', 'status'],
    }),
    seconds: metrics.histogram({
      name: 'producer_request_seconds',
      help: 'How long requests took.',
      labels: ['method'],
    }),
    uploads: metrics.gauge({ name: 'producer_uploads', help: 'Batches that are being read.' }),
  };
}
