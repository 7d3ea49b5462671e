import { type ConfigOf, defineConfig, field } from '../define.ts';
import { apiKeys, http, logging, resultsUrl, shutdown, telemetry, valkey } from '../groups.ts';
import { bytes, integer } from '../kinds.ts';

/** All that the producer reads from its environment. */
export const producerConfig = defineConfig({
  ...http({ port: 7070 }),
  ...valkey,
  ...apiKeys,
  ...resultsUrl,
  CRONIUM_MAX_JOB_BYTES: field(bytes, {
    doc: 'The longest body of a single job, which is refused with 413, and the longest line of a batch, which is reported as not valid.',
    default: '8MiB',
  }),
  CRONIUM_MAX_QUEUED: field(integer({ min: 1, max: 1_000_000_000 }), {
    doc: 'How many jobs may wait in one queue. Above it submits are refused with 429 and Retry-After.',
    default: '2000000',
  }),
  CRONIUM_VALKEY_REPLICAS: field(integer({ min: 0, max: 100 }), {
    doc: 'How many replicas of Valkey must have a job before it is answered 202; else the answer is 503. With Sentinel or a cluster 1 or more, or a failover can lose what was just accepted.',
    default: '0',
  }),
  ...shutdown({ seconds: 30 }),
  ...logging,
  ...telemetry,
});

/** The producer's configuration. */
export type ProducerConfig = ConfigOf<typeof producerConfig>;
