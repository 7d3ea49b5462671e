export { DeadlineError, ShutdownError } from './errors.ts';
export { type FailedRelease, Lifecycle, type Release, type ShutdownReport } from './lifecycle.ts';
export { pauseBefore, type RetriedFailure, type RetryOptions, retry } from './retry.ts';
export { type RunServiceOptions, runService, type ServiceLog } from './run-service.ts';
export {
  comesWithin,
  type DisposableSignal,
  deadline,
  firstOf,
  graceAfter,
  pause,
  type RepeatOptions,
  repeat,
  waitFor,
} from './wait.ts';
