import type { JobSpec, LogRecord, QueuePayload, ServiceRoute } from '@cronium/contracts';

/** The attempt that a sandbox is for. */
export interface AttemptIdentity {
  readonly jobId: string;
  /** The fencing epoch, from 1. */
  readonly attempt: number;
  readonly attemptId: string;
}

export interface SandboxRequest extends AttemptIdentity {
  readonly payload: QueuePayload;
  readonly spec: JobSpec;
  /** The attempt's execution token; travels over stdin, never in a container's configuration. */
  readonly executionToken: string;
  /** The script that the tenant runs before all its jobs. */
  readonly tenantPreTask?: string;
  /** The values of the secrets that the spec names and that are set, by name. */
  readonly secrets: Readonly<Record<string, string>>;
}

/** What a sidecar must know of the attempt that it serves. */
export type ServedAttempt = Pick<SandboxRequest, 'payload' | 'spec'>;

/** An attempt of which it is not sure yet that it will run, nor what it gets. */
export type ExpectedAttempt = AttemptIdentity & ServedAttempt;

/** What preparation reports while it goes on; each becomes a timeline moment. */
export type PreparationStep = 'network' | 'image' | 'sidecar' | 'create' | 'start';
export interface PreparationObserver {
  begin(step: PreparationStep): void;
  end(step: PreparationStep, attributes?: Readonly<Record<string, string | number | boolean>>): void;
}

/** The durable names of a prepared sandbox, enough to find it again after a crash of the worker. */
export interface SandboxBinding extends AttemptIdentity {
  readonly containerId: string;
  readonly sidecarId: string;
  readonly networkId: string;
  /** The slot that it stands in, and the container that holds the slot's network namespace. */
  readonly slot: string;
  readonly holderId: string;
  readonly subnet: string;
  /** The values that the log must not show, sealed; absent when there are none. */
  readonly masked?: string;
  /** 32 hex digits that begin each phase marker in the job's output. */
  readonly nonce: string;
  readonly image: { readonly reference: string; readonly id: string };
  /** The shared services that the sidecar opens for the job; absent when there are none. */
  readonly services?: readonly ServiceRoute[];
  /** In a container that serves a batch: the job's turn, which begins with its nonce. */
  readonly batch?: {
    /** From 1. The program of a turn has ended when the next one is bound. */
    readonly turn: number;
    /** Begins the container's own first markers. */
    readonly hello: string;
  };
}

/** A phase marker of the entry program, cut out of the job's output. */
export interface PhaseMarker {
  readonly phase: 'tenantPreTask' | 'setup' | 'preTask' | 'main';
  readonly event: 'started' | 'ended' | 'unrunnable';
  /** With `ended`: the phase's exit code; with `unrunnable` of main: 127 (no such program) or 126. */
  readonly exitCode?: number;
  readonly at: number;
}

/** What the log source yields, in order. */
export type LogItem =
  | {
      readonly type: 'record';
      readonly record: LogRecord;
      /** With a notice: so many bytes of this stream were lost before they could be read. They count in {@link LogOffsets}. */
      readonly missingBytes?: number;
    }
  | { readonly type: 'marker'; readonly marker: PhaseMarker }
  /** At the very end, where the container's init said how the main program ended. */
  | { readonly type: 'main_end'; readonly how: MainEnd };

/** How the main program ended, as its parent process saw it. Exit code 137 alone does not tell. */
export type MainEnd = 'exited' | 'signalled';

/** How far a log has been acknowledged: bytes of each of the job's streams, phase markers not counted. */
export interface LogOffsets {
  readonly stdout: number;
  readonly stderr: number;
}

/** What Docker says of a container that has stopped, or of one that is gone. */
export type ExitReport =
  | {
      readonly type: 'exited';
      readonly exitCode: number;
      readonly oomKilled: boolean;
      readonly startedAt: string;
      readonly finishedAt: string;
      /** `State.Error`, e.g. when the entry program could not be started. */
      readonly error: string;
    }
  /** The container does not exist any more; someone removed it. */
  | { readonly type: 'vanished' }
  /** The daemon stopped or restarted; whether the job's end was its own cannot be said. */
  | { readonly type: 'daemon'; readonly detail: string };

/** Evidence that Docker's event stream and the host gave about one container while it lived. */
export interface ContainerEvidence {
  readonly events: readonly {
    readonly action: string;
    readonly at: number;
    readonly attributes: Readonly<Record<string, string>>;
  }[];
  readonly oomEvents: number;
  /** Processes that the kernel killed for memory, by the container's own counter as last read; `undefined`: not read. */
  readonly oomKills: number | undefined;
  /** Signals sent through the Docker API, by anybody. */
  readonly kills: readonly { readonly signal: string; readonly at: number }[];
  /** The sidecar, or what holds its network, died at least once. */
  readonly sidecarDied: boolean;
  /** How often the sidecar was started again, and whether it was gone at the job's end. */
  readonly sidecarRestarts: number;
  readonly sidecarIsDown: boolean;
  readonly memoryPeakBytes: number | undefined;
}

/**
 * A prepared sandbox: network, sidecar (ready, bound to the attempt) and a started job container that waits for its
 * program on stdin. No user code has run.
 */
export interface Sandbox {
  readonly binding: SandboxBinding;
  /**
   * Sends the program; user code runs from here on. Call it only after the binding has been written durably.
   * @throws SandboxError when the container is gone or its stdin is closed
   */
  launch(): Promise<void>;
  /**
   * The job's output from the given offsets, in order, until the container has exited and everything that it wrote was
   * yielded. Live output arrives as it is written. May be called once on a fresh sandbox (from zero) or on an adopted
   * one (from the acknowledged offsets). The reader may be slow: what it does not take stays in Docker's log file, not
   * in memory. A daemon that is away is waited for. An adopted sandbox repeats all phase markers, with the times at which
   * Docker read them. Bytes that Docker's log lost are stated by a notice record.
   * @throws the signal's reason when it aborts
   */
  output(from: LogOffsets, signal: AbortSignal): AsyncIterable<LogItem>;
  /** Resolves when the container has stopped; repeated calls give the same answer. Survives a daemon that hangs or restarts. */
  exit(signal: AbortSignal): Promise<ExitReport>;
  /** Holds all processes of the job container still. Idempotent; a container that has stopped or is gone is fine. */
  freeze(): Promise<void>;
  /** Undoes `freeze`. Idempotent; a container that has stopped or is gone is fine. */
  thaw(): Promise<void>;
  /** SIGTERM, then SIGKILL after the grace. Idempotent; a container that has stopped or is gone is fine. */
  kill(graceMs: number): Promise<void>;
  evidence(): ContainerEvidence;
  /**
   * Keeps the sidecar alive until the signal aborts or the job container ends: one that dies is started again, once.
   * @returns why it is gone for good; `undefined` when nobody needs it any more
   */
  keepSidecar(signal: AbortSignal): Promise<string | undefined>;
  /**
   * Removes the job container and waits until it is gone; then its slot is taken back for other jobs, or removed too.
   * Idempotent, retried by status code, bounded. The log is gone afterwards: call it only when the log has been
   * acknowledged or is not wanted.
   */
  release(): Promise<void>;
}

/** A sandbox that stands on this node, found by its labels or its binding. */
export interface ObservedSandbox extends AttemptIdentity {
  readonly containerId: string | undefined;
  readonly running: boolean;
  /** Unix ms; the reconciler spares what is younger than its grace. */
  readonly createdAt: number;
}

/**
 * Where attempts run: the one boundary between the attempt's story and Docker. Implemented by the Docker runtime and,
 * for tests, by a scripted one. Calls are concurrency-safe. Every method that waits is bounded by a deadline of its own.
 */
export interface SandboxRuntime {
  /**
   * Begins what can be taken back of an attempt's start: while others are asked whether it may run. Nothing of it runs.
   * The attempt's `prepare` goes on from there; what no `prepare` has taken when it is disposed of goes back. Never throws.
   */
  begin(attempt: ExpectedAttempt): Disposable;
  /**
   * Makes a sandbox for an attempt. On failure everything made so far is removed before the error is thrown.
   * @throws SandboxError `image` (a failure of the job: no such image, or it has no usable platform), `service` (it names
   *   one that this node does not offer), `capacity` (no subnet is free: wait and try again), `docker` (the daemon failed
   *   or timed out), `sidecar`, `aborted`
   */
  prepare(request: SandboxRequest, observer: PreparationObserver, signal: AbortSignal): Promise<Sandbox>;
  /** Takes back a sandbox of a former process of this node; `undefined` when its job container is gone. */
  adopt(binding: SandboxBinding, served: ServedAttempt): Promise<Sandbox | undefined>;
  /**
   * Tells what the queues hold for this node, so that it can be made ready; `undefined` when the node shall take no jobs:
   * what was ready is removed. What is made ready is an optimisation: nobody waits for it.
   */
  forecast(specs: readonly JobSpec[] | undefined): void;
  /**
   * Tells of a sandbox of a former process that the journal knows. From now on it is found by `observe` and `purge`, and
   * spared by `reconcile` while its attempt lives.
   */
  expect(binding: SandboxBinding): void;
  /** All sandboxes of attempts on this node: by label, or by their binding in this process. */
  observe(): Promise<ObservedSandbox[]>;
  /** Kills and removes all that belongs to an attempt, or to a former one of the same job up to `attempt`. Idempotent. */
  purge(identity: AttemptIdentity): Promise<void>;
  /**
   * Removes labelled objects of this node that none of `living` owns and that are older than the grace, and slots that
   * this process does not know. Returns what was removed.
   */
  reconcile(living: ReadonlySet<string>, options: ReconcileOptions): Promise<string[]>;
  /** What keeps this node from running jobs: each a name and a message with what to do. Empty when ready. */
  blockers(signal: AbortSignal): Promise<readonly { readonly name: string; readonly message: string }[]>;
  /** What the engine is and has, as last checked by `blockers`; `undefined` until it first answered. */
  facts(): RuntimeFacts | undefined;
  /** How many more sandboxes can be made now (idle slots and free subnets). */
  capacity(): number;
  /** Removes what waits for jobs, and leaves the sandboxes of attempts as they are, for the next process. */
  close(): Promise<void>;
}

export interface ReconcileOptions {
  readonly graceMs: number;
  /** Only says what would be removed. */
  readonly dryRun: boolean;
  /** Asked once it is known what stands there, before any of it is removed; default: it may. */
  mayRemove?(): boolean;
}

/** The engine as it describes itself. */
export interface RuntimeFacts {
  readonly docker: { readonly version: string; readonly cgroup: string };
  /** The fleet's images that are on the node. */
  readonly images: readonly string[];
  /** Where the engine keeps its data, when that is on this machine. */
  readonly folder: string | undefined;
}

/** Thrown by a SandboxRuntime. `code` says whose failure it is; the message says what happened, to what, and what to do. */
export class SandboxError extends Error {
  override readonly name = 'SandboxError';
  readonly code: 'image' | 'service' | 'capacity' | 'docker' | 'sidecar' | 'aborted';
  /** Docker's HTTP status, where it answered. */
  readonly statusCode: number | undefined;

  constructor(
    code: SandboxError['code'],
    message: string,
    options: ErrorOptions & { statusCode?: number } = {},
  ) {
    super(message, options);
    this.code = code;
    this.statusCode = options.statusCode;
  }
}
