import type { TraceContext } from '@cronium/contracts';
import type { Logger } from '@cronium/telemetry';
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { ApiKeys, Caller } from './auth.ts';
import type { Budget, Slots } from './http/budget.ts';
import type { Idempotency } from './intake/idempotency.ts';
import type { Limits } from './limits.ts';
import type { Metrics } from './metrics.ts';
import type { FleetQueues } from './queue/queues.ts';
import type { ResultsClient } from './results.ts';
import type { ScheduleStore } from './schedules/store.ts';

/** What a request carries through the handlers. */
export interface AppEnv {
  Variables: {
    /** Set for everything under `/v1`. */
    caller: Caller;
    trace: TraceContext | undefined;
    /** Unix milliseconds. */
    receivedAt: number;
  };
}

export type App = OpenAPIHono<AppEnv>;

/** What the handlers work with. */
export interface Services {
  readonly apiKeys: ApiKeys;
  readonly queues: FleetQueues;
  readonly idempotency: Idempotency;
  readonly results: ResultsClient;
  readonly schedules: ScheduleStore;
  readonly limits: Limits;
  readonly budget: Budget;
  readonly uploads: Slots;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Aborts when uploads must end because the process stops. */
  readonly stopping: AbortSignal;
  /** What keeps the producer from taking jobs; `undefined` when nothing does. */
  readonly notReady: () => Promise<string | undefined>;
  readonly version: string;
}
