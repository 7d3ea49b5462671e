import { randomBytes } from 'node:crypto';
import { newSlotId } from '@cronium/contracts';
import { waitFor } from '@cronium/lifecycle';
import type {
  AttemptIdentity,
  ContainerEvidence,
  ExitReport,
  LogItem,
  PhaseMarker,
  SandboxBinding,
  SandboxRequest,
} from '../sandbox/runtime.ts';

/** One thing that a scripted container does. */
export type Step =
  /** Prints a line, or bytes as they are. */
  | {
      readonly do: 'print';
      readonly text: string | Uint8Array;
      readonly stderr?: boolean;
      readonly newline?: boolean;
    }
  | {
      readonly do: 'mark';
      readonly phase: PhaseMarker['phase'];
      readonly event: PhaseMarker['event'];
      readonly exitCode?: number;
    }
  /** Goes on when the promise does, or never: until it is killed. */
  | {
      readonly do: 'wait';
      readonly until?: Promise<unknown> | (() => Promise<unknown>);
      readonly ignoresTerm?: boolean;
    }
  | { readonly do: 'oom-kill-child' }
  /** It is gone and could not be started again. */
  | { readonly do: 'lose-sidecar' }
  | { readonly do: 'exit'; readonly code: number; readonly oomKilled?: boolean; readonly error?: string }
  /** Someone runs `docker kill` with this signal. */
  | { readonly do: 'be-killed'; readonly signal: string }
  | { readonly do: 'vanish' }
  | { readonly do: 'lose-daemon'; readonly detail: string };

/** Short names for steps, so that a test reads as a story. */
export const step = {
  print: (text: string | Uint8Array, stderr = false): Step => ({ do: 'print', text, stderr }),
  started: (phase: PhaseMarker['phase']): Step => ({ do: 'mark', phase, event: 'started' }),
  ended: (phase: PhaseMarker['phase'], exitCode: number): Step => ({
    do: 'mark',
    phase,
    event: 'ended',
    exitCode,
  }),
  unrunnable: (exitCode: number): Step => ({ do: 'mark', phase: 'main', event: 'unrunnable', exitCode }),
  wait: (until?: Promise<unknown> | (() => Promise<unknown>)): Step =>
    until === undefined ? { do: 'wait' } : { do: 'wait', until },
  ignoreTerm: (): Step => ({ do: 'wait', ignoresTerm: true }),
  exit: (code: number, more: { oomKilled?: boolean; error?: string } = {}): Step => ({
    do: 'exit',
    code,
    ...more,
  }),
  oomKillChild: (): Step => ({ do: 'oom-kill-child' }),
  loseSidecar: (): Step => ({ do: 'lose-sidecar' }),
  beKilled: (signal: string): Step => ({ do: 'be-killed', signal }),
  vanish: (): Step => ({ do: 'vanish' }),
  loseDaemon: (detail: string): Step => ({ do: 'lose-daemon', detail }),
};

/** A main program that prints and succeeds. */
export function succeeds(...lines: readonly string[]): Step[] {
  return [step.started('main'), ...lines.map((line) => step.print(line)), step.exit(0)];
}

/** A container that lives by its script. It knows nothing of workers and outlives them, as in Docker. */
export class ScriptedContainer {
  readonly identity: AttemptIdentity;
  readonly binding: SandboxBinding;
  readonly createdAt = Date.now();
  readonly items: LogItem[] = [];
  readonly #steps: readonly Step[];
  readonly #exited = Promise.withResolvers<ExitReport>();
  readonly #events: { action: string; at: number; attributes: Record<string, string> }[] = [];
  readonly #kills: { signal: string; at: number }[] = [];
  readonly #killed = Promise.withResolvers<number>();
  #changed = Promise.withResolvers<void>();
  #oomEvents = 0;
  #sidecarDied = false;
  readonly #sidecarGone = Promise.withResolvers<string>();
  #ignoresTerm = false;
  #launched = false;
  exit: ExitReport | undefined;
  #thawed = Promise.withResolvers<void>();
  #isFrozen = false;

  constructor(request: SandboxRequest, steps: readonly Step[]) {
    const { jobId, attempt, attemptId } = request;
    this.identity = { jobId, attempt, attemptId };
    this.#steps = steps;
    this.binding = {
      ...this.identity,
      containerId: randomBytes(8).toString('hex'),
      sidecarId: randomBytes(8).toString('hex'),
      networkId: randomBytes(8).toString('hex'),
      slot: newSlotId(),
      holderId: randomBytes(8).toString('hex'),
      subnet: '10.201.0.0/28',
      nonce: randomBytes(16).toString('hex'),
      image: { reference: 'scripted', id: 'sha256:0' },
    };
  }

  get exited(): Promise<ExitReport> {
    return this.#exited.promise;
  }

  get changed(): Promise<void> {
    return this.#changed.promise;
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  /** A frozen container begins no further step. */
  freeze(): void {
    if (this.#isFrozen) return;
    this.#isFrozen = true;
    this.#thawed = Promise.withResolvers();
  }

  thaw(): void {
    this.#isFrozen = false;
    this.#thawed.resolve();
  }

  /** Was its program sent? */
  get isLaunched(): boolean {
    return this.#launched;
  }

  launch(): void {
    if (this.#launched) throw new Error(`${this.identity.attemptId} was launched twice`);
    this.#launched = true;
    this.#live();
  }

  kill(graceMs: number): void {
    // It still waits for its program.
    if (!this.#launched) this.#end(exitedWith(137));
    else if (graceMs <= 0) this.#killed.resolve(137);
    else if (!this.#ignoresTerm) this.#killed.resolve(143);
    else setTimeout(() => this.#killed.resolve(137), graceMs);
  }

  /** `docker rm -f`. */
  remove(): void {
    this.#end({ type: 'vanished' });
  }

  /** Its daemon ends, and takes it along. */
  loseDaemon(detail: string): void {
    this.#end({ type: 'daemon', detail });
  }

  evidence(): ContainerEvidence {
    return {
      events: [...this.#events],
      oomEvents: this.#oomEvents,
      oomKills: undefined,
      kills: [...this.#kills],
      sidecarDied: this.#sidecarDied,
      sidecarRestarts: 0,
      sidecarIsDown: this.#sidecarDied,
      memoryPeakBytes: undefined,
    };
  }

  /** @returns why the sidecar is gone; `undefined` when nobody needs it any more */
  sidecarGone(signal: AbortSignal): Promise<string | undefined> {
    const over = this.#exited.promise.then(() => undefined);
    return waitFor(Promise.race([this.#sidecarGone.promise, over]), signal).catch(() => undefined);
  }

  async #live(): Promise<void> {
    for (const one of this.#steps) {
      if (this.#isFrozen) await this.#thawed.promise;
      if (this.exit) return;
      await this.#perform(one);
    }
    if (!this.exit) this.#end(exitedWith(await this.#killed.promise));
  }

  async #perform(one: Step): Promise<void> {
    switch (one.do) {
      case 'print': {
        const bytes = typeof one.text === 'string' ? Buffer.from(one.text) : one.text;
        const stream = one.stderr ? 'stderr' : 'stdout';
        return this.#emit({
          type: 'record',
          record: { stream, bytes, newline: one.newline ?? true, time: Date.now() },
        });
      }
      case 'mark': {
        const exitCode = one.exitCode === undefined ? {} : { exitCode: one.exitCode };
        return this.#emit({
          type: 'marker',
          marker: { phase: one.phase, event: one.event, at: Date.now(), ...exitCode },
        });
      }
      case 'wait': {
        this.#ignoresTerm = one.ignoresTerm ?? false;
        const code = await Promise.race([
          this.#killed.promise,
          (typeof one.until === 'function' ? one.until() : one.until) ?? new Promise<never>(() => undefined),
        ]);
        if (typeof code === 'number') this.#end(exitedWith(code));
        return;
      }
      case 'oom-kill-child':
        this.#oomEvents += 1;
        return;
      case 'lose-sidecar':
        this.#sidecarDied = true;
        this.#sidecarGone.resolve('the script says so');
        return;
      case 'exit':
        return this.#end(exitedWith(one.code, one));
      case 'be-killed':
        this.#kills.push({ signal: one.signal, at: Date.now() });
        return this.#end(exitedWith(137));
      case 'vanish':
        return this.#end({ type: 'vanished' });
      case 'lose-daemon':
        return this.#end({ type: 'daemon', detail: one.detail });
    }
  }

  #emit(item: LogItem): void {
    this.items.push(item);
    this.#notify();
  }

  #end(exit: ExitReport): void {
    if (this.exit) return;
    this.exit = exit;
    this.#exited.resolve(exit);
    this.#notify();
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

function exitedWith(exitCode: number, { oomKilled = false, error = '' } = {}): ExitReport {
  const now = new Date(Date.now()).toISOString();
  return { type: 'exited', exitCode, oomKilled, error, startedAt: now, finishedAt: now };
}

/** A machine with containers, which stay when a worker's process dies. */
export class ScriptedHost {
  readonly containers = new Map<string, ScriptedContainer>();
  /** What sandboxes were made for, in order. */
  readonly requests: SandboxRequest[] = [];
  /** Attempts whose program was sent, in order. */
  readonly launched: string[] = [];
  /** By attempt: what became of a sandbox that was begun. */
  readonly begun = new Map<string, 'waits' | 'taken' | 'given back'>();
  /** Jobs that had two living containers at once: the invariant that must never break. */
  readonly doubled: string[] = [];
  readonly steps: (request: SandboxRequest) => readonly Step[];

  constructor(steps: (request: SandboxRequest) => readonly Step[]) {
    this.steps = steps;
  }

  create(request: SandboxRequest): ScriptedContainer {
    this.requests.push(request);
    const container = new ScriptedContainer(request, this.steps(request));
    this.containers.set(container.binding.containerId, container);
    return container;
  }

  launch(container: ScriptedContainer): void {
    const { jobId, attemptId } = container.identity;
    const others = [...this.containers.values()].filter(
      (other) => other !== container && other.identity.jobId === jobId && !other.exit && !other.isFrozen,
    );
    if (others.length > 0) this.doubled.push(attemptId);
    this.launched.push(attemptId);
    container.launch();
  }

  remove(container: ScriptedContainer): void {
    container.remove();
    this.containers.delete(container.binding.containerId);
  }
}
