import type { ContainerEvidence, ExitReport, MainEnd } from '../sandbox/runtime.ts';

/** Why the fleet itself ended an attempt. */
export type Stop =
  | { readonly type: 'cancelled'; readonly by: string; readonly reason?: string | undefined }
  /** The running phase took longer than the job's own timeout. */
  | { readonly type: 'timed_out'; readonly seconds: number }
  /** The sidecar died, and could not be brought back. */
  | { readonly type: 'sidecar_lost'; readonly reason: string }
  /** Preparation, setup and preTask took longer than the node allows. */
  | { readonly type: 'setup_timeout'; readonly seconds: number };

/** What the entry program's markers said. */
export interface Phases {
  readonly tenantPreTask?: PhaseFacts;
  readonly setup?: PhaseFacts;
  readonly preTask?: PhaseFacts;
  readonly main?: PhaseFacts;
}
export interface PhaseFacts {
  readonly ended: boolean;
  readonly exitCode?: number | undefined;
  /** The program could not be started at all. */
  readonly unrunnable?: boolean;
}

/** How an attempt came to its end: all that is known, and nothing concluded yet. */
export type Ending =
  /** The job's payload is from another version, or corrupt. */
  | { readonly type: 'unreadable'; readonly reason: string }
  /** Ended by the fleet before user code ran. */
  | { readonly type: 'stopped_early'; readonly stop: Stop }
  /** The sandbox could not be made. */
  | {
      readonly type: 'unprepared';
      readonly code: 'image' | 'service' | 'docker' | 'sidecar';
      readonly message: string;
      readonly statusCode: number | undefined;
    }
  /** More workers were lost with this job than the fleet bears. */
  | { readonly type: 'lost_too_often'; readonly losses: number }
  /** The worker died while it handed the program over: nobody can say whether it ran. */
  | { readonly type: 'handover_unknown' }
  /** The container was gone when the worker came back: nobody saw how it ended. */
  | { readonly type: 'gone_unseen'; readonly phases: Phases }
  | {
      readonly type: 'ran';
      readonly exit: ExitReport;
      readonly stop: Stop | undefined;
      readonly phases: Phases;
      readonly container: ContainerEvidence;
      /** What the main program's parent process saw; `undefined` when it could not say. */
      readonly mainEnd: MainEnd | undefined;
      /** How busy the host was when the container ended. */
      readonly host: Readonly<Record<string, number | string>>;
    };

/** What does not depend on how the attempt ended. */
export interface Circumstances {
  readonly attempt: number;
  /** Unix ms. */
  readonly at: number;
  readonly node: string;
  readonly memoryLimitBytes: number;
  readonly image: string | undefined;
  /** The last lines of the log, as text. */
  readonly logTail: readonly string[];
  readonly host: Readonly<Record<string, number | string>>;
}
