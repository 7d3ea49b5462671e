import type { Keys } from '@cronium/contracts';
import type { Logger, Metrics } from '@cronium/telemetry';
import type { Redis } from 'ioredis';
import type { Kysely } from 'kysely';
import type { ApiKeys } from './auth/api-keys.ts';
import type { NodeKeys } from './auth/node-keys.ts';
import type { SecretBox } from './auth/secret-box.ts';
import type { DayWindow, Partitions } from './db/partitions.ts';
import type { Database } from './db/schema.ts';
import type { OnEnded } from './ingest/attempts.ts';
import type { Changes } from './live/changes.ts';
import type { Queues } from './queue/queues.ts';
import type { ArtifactStore } from './routes/artifact-store.ts';
import type { SchemaGate } from './schema-gate.ts';
import type { TraceExport } from './trace/export.ts';
import type { Variables } from './variables/variables.ts';
import type { WebhookSender } from './webhooks/sender.ts';

/** All that the routes work with. */
export interface Deps {
  readonly db: Kysely<Database>;
  readonly valkey: Redis;
  readonly keys: Keys;
  readonly queues: Queues;
  readonly partitions: Partitions;
  /** The days for which rows are stored. */
  window(): DayWindow;
  readonly apiKeys: ApiKeys;
  readonly nodeKeys: NodeKeys;
  readonly secrets: SecretBox;
  readonly variables: Variables;
  readonly artifacts: ArtifactStore;
  readonly changes: Changes;
  readonly schema: SchemaGate;
  /** Sends traces to a collector, when there is one. */
  readonly traces: TraceExport | undefined;
  /** Tells the webhooks of ended jobs. */
  readonly webhooks: WebhookSender;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Aborts when the process stops: streams end then. */
  readonly signal: AbortSignal;
  /** Where the producer is: what people do from the dashboard is handed on to it. */
  readonly producerUrl: string;
  /** The built dashboard's folder. */
  readonly dashboardDir: string;
}

/** What is to be told when jobs end. */
export function onEndedOf({ traces }: Pick<Deps, 'traces'>): OnEnded | undefined {
  return traces && ((trx, jobIds) => traces.onEnded(trx, jobIds));
}
