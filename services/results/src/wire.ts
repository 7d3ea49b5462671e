import { join } from 'node:path';
import type { ResultsConfig } from '@cronium/config';
import { createMetrics, createSpanSender, type Logger, type Metrics } from '@cronium/telemetry';
import type { Redis } from 'ioredis';
import type { Kysely } from 'kysely';
import { ApiKeys } from './auth/api-keys.ts';
import { NodeKeys } from './auth/node-keys.ts';
import { SecretBox } from './auth/secret-box.ts';
import { dayWindow, Partitions } from './db/partitions.ts';
import type { Database } from './db/schema.ts';
import type { Deps } from './deps.ts';
import { Changes } from './live/changes.ts';
import { Queues } from './queue/queues.ts';
import { type ArtifactStore, databaseArtifacts, folderArtifacts } from './routes/artifact-store.ts';
import { s3Artifacts } from './routes/s3-artifacts.ts';
import { SchemaGate } from './schema-gate.ts';
import { TraceExport } from './trace/export.ts';
import { VariableCache } from './variables/cache.ts';
import { Variables } from './variables/variables.ts';
import { WebhookSender } from './webhooks/sender.ts';

/** What must be opened before the rest can be put together. */
export interface Resources {
  readonly db: Kysely<Database>;
  readonly valkey: Redis;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly metrics?: Metrics;
}

type Settings = Pick<
  ResultsConfig,
  | 'CRONIUM_PREFIX'
  | 'CRONIUM_API_KEYS'
  | 'CRONIUM_SECRETS_KEY'
  | 'CRONIUM_RETENTION_DAYS'
  | 'CRONIUM_ARTIFACTS_DIR'
  | 'CRONIUM_ARTIFACTS_S3_BUCKET'
  | 'CRONIUM_ARTIFACTS_S3_ENDPOINT'
  | 'CRONIUM_ARTIFACTS_S3_REGION'
  | 'CRONIUM_ARTIFACT_MAX_BYTES'
  | 'CRONIUM_TRACE_SAMPLE_RATIO'
  | 'CRONIUM_TRACE_SLOW_SECONDS'
  | 'OTEL_EXPORTER_OTLP_ENDPOINT'
  | 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'
  | 'CRONIUM_PRODUCER_URL'
  | 'CRONIUM_WEBHOOK_ALLOW_PRIVATE'
>;

/** Puts the parts of the service together; starts nothing. */
export function wire(
  config: Settings,
  { db, valkey, log, signal, metrics = createMetrics('results') }: Resources,
): Deps {
  const queues = new Queues(valkey, config.CRONIUM_PREFIX);
  const secrets = new SecretBox(config.CRONIUM_SECRETS_KEY);
  return {
    db,
    valkey,
    queues,
    keys: queues.keys,
    partitions: new Partitions(db),
    window: () => dayWindow(config.CRONIUM_RETENTION_DAYS, Date.now()),
    apiKeys: new ApiKeys(db, config.CRONIUM_API_KEYS),
    nodeKeys: new NodeKeys(valkey, queues.keys),
    secrets,
    variables: new Variables(db, new VariableCache(valkey, queues.keys)),
    artifacts: artifactStore(config),
    changes: new Changes(),
    schema: new SchemaGate(),
    log,
    metrics,
    traces: traceExport(config, { db, metrics, log }),
    webhooks: new WebhookSender({
      ...{ db, secrets, metrics, log },
      allowPrivate: config.CRONIUM_WEBHOOK_ALLOW_PRIVATE,
    }),
    signal,
    producerUrl: config.CRONIUM_PRODUCER_URL,
    dashboardDir: join(import.meta.dirname, '../../dashboard/dist'),
  };
}

function traceExport(
  config: Settings,
  parts: { db: Kysely<Database>; metrics: Metrics; log: Logger },
): TraceExport | undefined {
  const sender = createSpanSender({
    endpoint: config.OTEL_EXPORTER_OTLP_ENDPOINT,
    tracesEndpoint: config.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
  });
  if (sender === undefined) return undefined;
  const rule = {
    ratio: config.CRONIUM_TRACE_SAMPLE_RATIO,
    slowMs: config.CRONIUM_TRACE_SLOW_SECONDS * 1000,
  };
  return new TraceExport({ ...parts, sender, rule });
}

/** A bucket, else a folder, else the database. */
function artifactStore(config: Settings): ArtifactStore {
  const {
    CRONIUM_ARTIFACT_MAX_BYTES: maxBytes,
    CRONIUM_ARTIFACTS_DIR: folder,
    CRONIUM_ARTIFACTS_S3_BUCKET: bucket,
    CRONIUM_ARTIFACTS_S3_ENDPOINT: endpoint,
    CRONIUM_ARTIFACTS_S3_REGION: region,
  } = config;
  if (bucket !== undefined) return s3Artifacts({ bucket, region, endpoint }, maxBytes);
  return folder === undefined ? databaseArtifacts(maxBytes) : folderArtifacts(folder, maxBytes);
}
