import type { AttemptUpdate, CancelRequest, ExecutionClaims, QueuePayload } from '@cronium/contracts';
import type { Logger } from '@cronium/telemetry';
import type { JobQueue } from '../claim/queue.ts';
import type { Journal } from '../journal/journal.ts';
import type { Shipper } from '../logs/shipper.ts';
import type { HostFacts } from '../outcome/host.ts';
import type { Reporter } from '../report/reporter.ts';
import type { ResultsClient } from '../report/results-client.ts';
import type { SandboxRuntime } from '../sandbox/runtime.ts';

/** What bounds an attempt on this node. */
export interface AttemptLimits {
  /** Preparation, setup and preTask together. */
  readonly setupTimeoutMs: number;
  /** From SIGTERM to SIGKILL. */
  readonly stopGraceMs: number;
  /** How long a container may be held still while Valkey does not say whose its job is. */
  readonly freezeMs: number;
  readonly logMaxBytes: number;
  /** The folder for large log tails. */
  readonly spoolFolder: string;
}

/** Which job wants to be the only one that runs under a key. */
export interface KeyWish {
  readonly tenant: string;
  readonly key: string;
  readonly queue: string;
  readonly jobId: string;
}

/** The fleet's shared store as an attempt needs it. */
export interface AttemptStore {
  /** The script that a tenant runs before all its jobs. */
  preTask(tenant: string): Promise<string | undefined>;
  /** Does someone want this job cancelled, or its batch? */
  cancelRequest(job: Cancellable): Promise<CancelRequest | undefined>;
  /**
   * Takes a tenant's concurrency key for a job that this node has claimed, unless another job that runs has it.
   * @returns the id of the job that has it now
   */
  holdKey(wish: KeyWish): Promise<string>;
  /** Makes an execution token void for as long as it would be good; tries in the background until that is over. */
  revoke(jti: string, seconds: number): void;
}

/** A job as far as a wish to cancel concerns it. */
export interface Cancellable {
  readonly jobId: string;
  readonly payload: Pick<QueuePayload, 'batchId' | 'acceptedAt'>;
}

/** All that the story of an attempt uses. */
export interface AttemptDeps {
  readonly node: string;
  readonly limits: AttemptLimits;
  readonly runtime: SandboxRuntime;
  readonly journal: Journal;
  readonly reporter: Reporter;
  readonly shipper: Shipper;
  readonly results: ResultsClient;
  readonly store: AttemptStore;
  readonly log: Logger;
  queue(name: string): JobQueue;
  /** What the host has to say of itself, for death records. */
  hostFacts(): HostFacts;
  /** Signs an execution token. */
  signToken(claims: ExecutionClaims): Promise<string>;
  /** Told when an attempt's sandbox stands, or cannot be made. */
  onPrepared(attemptId: string): void;
  /** Told when an attempt's container has ended and its slot may be used again. */
  onExit(attemptId: string): void;
  /** Told when results and the queue know an attempt's outcome. */
  onOutcome(update: AttemptUpdate): void;
}
