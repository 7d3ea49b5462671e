import { type ConfigOf, defineConfig, field, optionalField } from '../define.ts';
import { apiKeys, http, logging, producerUrl, shutdown, telemetry, valkey } from '../groups.ts';
import {
  addressRange,
  bytes,
  integer,
  list,
  positiveSeconds,
  sealingKeys,
  share,
  text,
  url,
} from '../kinds.ts';

/** All that the results service reads from its environment. */
export const resultsConfig = defineConfig({
  ...http({ port: 7071 }),
  CRONIUM_DATABASE_URL: field(url('postgres', 'postgresql'), {
    doc: 'The PostgreSQL database that holds outcomes, logs and traces. The service makes and updates its tables itself.',
    example: 'postgres://cronium:password@127.0.0.1:5432/cronium',
  }),
  CRONIUM_DATABASE_CONNECTIONS: field(integer({ min: 2, max: 1000 }), {
    doc: 'How many connections to PostgreSQL one results process opens at most.',
    default: '10',
  }),
  ...valkey,
  ...producerUrl,
  ...apiKeys,
  CRONIUM_RETENTION_DAYS: field(integer({ min: 1, max: 36_500 }), {
    doc: 'How long logs, traces and ended jobs are kept. Older days are dropped whole.',
    default: '30',
  }),
  CRONIUM_FORGOTTEN_SECONDS: field(positiveSeconds, {
    doc: 'An accepted job that the queue has not known for so long, as after a failover of Valkey, is put back into it. Longer than CRONIUM_LOCK_SECONDS of every worker.',
    default: '120',
  }),
  CRONIUM_AUDIT_RETENTION_DAYS: field(integer({ min: 1, max: 36_500 }), {
    doc: 'How long the audit log is kept.',
    default: '365',
  }),
  CRONIUM_SECRETS_KEY: optionalField(sealingKeys, {
    doc: 'The keys that seal stored secrets and credentials, as id:base64 of 32 bytes each (openssl rand -base64 32), with commas between them. The first one seals; the others open what they sealed before. Without it secrets and credentials can’t be stored.',
    secret: true,
  }),
  CRONIUM_ARTIFACTS_DIR: optionalField(text, {
    doc: 'A folder for the bytes of artifacts, shared by all results processes. Without it they are kept in PostgreSQL.',
    example: '/var/lib/cronium/artifacts',
  }),
  CRONIUM_ARTIFACTS_S3_BUCKET: optionalField(text, {
    doc: 'The bucket for the bytes of artifacts in an S3-compatible store; it comes before the folder. Credentials are found as the AWS SDK does: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, or the instance’s role.',
    example: 'cronium-artifacts',
  }),
  CRONIUM_ARTIFACTS_S3_ENDPOINT: optionalField(url('http', 'https'), {
    doc: 'Where an S3-compatible store other than AWS answers.',
    example: 'http://minio:9000',
  }),
  CRONIUM_ARTIFACTS_S3_REGION: field(text, {
    doc: 'The region of the bucket.',
    default: 'us-east-1',
  }),
  CRONIUM_ARTIFACT_MAX_BYTES: field(bytes, {
    doc: 'The largest artifact that is taken. Longer ones are refused with 413.',
    default: '64MiB',
  }),
  CRONIUM_WEBHOOK_ALLOW_PRIVATE: field(list(addressRange), {
    doc: 'Private addresses that the webhooks of jobs may have all the same, as ranges (10.1.0.0/16). All others are refused. They are called by the results service, from where it stands.',
    default: '',
    example: '10.1.0.0/16,127.0.0.1',
  }),
  CRONIUM_TRACE_SAMPLE_RATIO: field(share, {
    doc: 'With a collector: which share of the traces of ended jobs is sent there, from 0 to 1. Those of jobs that failed, were tried again or were slow are always sent.',
    default: '1',
  }),
  CRONIUM_TRACE_SLOW_SECONDS: field(positiveSeconds, {
    doc: 'With a collector: a job that took longer, from its submit to its end, counts as slow.',
    default: '60',
  }),
  ...shutdown({ seconds: 30 }),
  ...logging,
  ...telemetry,
});

/** The configuration of the results service. */
export type ResultsConfig = ConfigOf<typeof resultsConfig>;
