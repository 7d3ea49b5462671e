export { AuditClient, type AuditOptions } from './audit.ts';
export {
  type CallOptions,
  CroniumClient,
  type JobFilter,
  type ListOptions,
  type SubmitBatchOptions,
  type SubmitOptions,
} from './client.ts';
export {
  CroniumApiError,
  CroniumConnectionError,
  CroniumTimeoutError,
  CroniumWaitError,
  type FailedCall,
  type ServiceName,
} from './errors.ts';
export type { BatchPage, ExploreClient, LogRange, LogSearch } from './explore.ts';
export { FlowsClient } from './flows.ts';
export { type AttemptLogLine, type LogOptions, logLineBytes } from './logs.ts';
export type { BatchSource } from './ndjson.ts';
export { SchedulesClient } from './schedules.ts';
export type { ApiKeyView, NewApiKey, SealedView, SettingsClient } from './settings.ts';
export type { ClientOptions } from './transport.ts';
export type { WaitOptions } from './wait.ts';
export { webhookText } from './webhook-text.ts';
