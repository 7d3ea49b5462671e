import { deadline, firstOf, waitFor } from '@cronium/lifecycle';
import { setPaused } from '../containers.ts';
import { guardOf, type SandboxContext } from '../docker-sandbox.ts';
import { endsAfterKill, endsWithin, KILL_MS, letGoOf } from '../ending.ts';
import { openValues } from '../masked-values.ts';
import {
  type ContainerEvidence,
  type ExitReport,
  type LogItem,
  type LogOffsets,
  type Sandbox,
  type SandboxBinding,
  SandboxError,
} from '../runtime.ts';
import type { SidecarGuard } from '../sidecar-guard.ts';
import type { SidecarDuty } from '../slot/sidecar.ts';
import type { Cell } from './cell.ts';
import { evidenceSince } from './evidence.ts';
import { terminate } from './terminate.ts';
import { exitOf, Turn } from './turn.ts';
import { turnOutput } from './turn-output.ts';

const SEND_MS = 30_000;
const TURN_OVER = new Error('the turn is over');
/** From the end of a container to the end of what it wrote. */
const LAST_WORDS_MS = 2000;

export interface BatchSandboxOptions {
  readonly context: SandboxContext;
  readonly binding: SandboxBinding;
  readonly cell: Cell;
  readonly program: Buffer;
  readonly duty: SidecarDuty;
  /** The attempt needs the cell no more, or nobody shall have it again. Called once. */
  leave(sandbox: BatchSandbox): Promise<void>;
}

/** One attempt's turn in a container that serves its batch. */
export class BatchSandbox implements Sandbox {
  readonly binding: SandboxBinding;
  readonly cell: Cell;
  readonly #options: BatchSandboxOptions;
  readonly #turn: Turn;
  /** Aborts when the turn is over, or this process lets go of it: it needs its sidecar no more. */
  readonly #over = new AbortController();
  readonly #guard: SidecarGuard;
  #startedAt = 0;
  #isFrozen = false;
  #released: Promise<void> | undefined;
  #exit: Promise<ExitReport> | undefined;

  constructor(options: BatchSandboxOptions) {
    this.#options = options;
    this.binding = options.binding;
    this.cell = options.cell;
    this.#turn = new Turn(options.binding.nonce);
    const { context, binding, duty } = options;
    // Of the next turn's sidecar, which is the same one, nothing is this one's business.
    void this.#turn.ended.then(() => {
      this.#over.abort(TURN_OVER);
      const { attemptId: attempt, containerId: container } = binding;
      context.logger.debug({ attempt, container }, 'the turn is over');
    });
    this.#guard = guardOf(context, binding, { duty, signal: this.#over.signal, isFresh: true });
  }

  /** Its program was sent and has not ended: whatever happens to the container happens to it. */
  get isLive(): boolean {
    return this.#startedAt > 0 && this.#turn.end === undefined;
  }

  /** Was it never sent? */
  get isUnused(): boolean {
    return this.#startedAt === 0;
  }

  /** Did the kernel kill one of its processes for memory? */
  get ranOutOfMemory(): boolean {
    return (this.#turn.end?.oomKills ?? 0) > 0;
  }

  /** Resolves when nothing of the job is in the container any more. */
  get cleaned(): Promise<void> {
    return this.#turn.cleaned;
  }

  async launch(): Promise<void> {
    const { attemptId } = this.binding;
    if (this.#startedAt > 0)
      throw new SandboxError('docker', `the sandbox of ${attemptId} was launched before`);
    this.#startedAt = Date.now();
    using limit = deadline(SEND_MS, 'send the program');
    try {
      await waitFor(this.cell.begin(this.#turn, this.#options.program), limit);
    } catch (error) {
      this.cell.spoil();
      const message = `the program could not be sent to the container of ${attemptId}`;
      throw new SandboxError('docker', message, { cause: error });
    }
  }

  output(from: LogOffsets, signal: AbortSignal): AsyncIterable<LogItem> {
    const { context } = this.#options;
    const { containerId, nonce, masked } = this.binding;
    return turnOutput(
      {
        ...{ client: context.client, containerId, nonce, live: this.#turn },
        hello: this.cell.parts.hello,
        masked: openValues(masked, context.maskKey),
        isRunning: (abort) => this.cell.isRunning(abort),
      },
      from,
      signal,
    );
  }

  exit(signal: AbortSignal): Promise<ExitReport> {
    this.#exit ??= Promise.race([
      this.#turn.ended.then((end) => exitOf(end, this.#startedAt)),
      this.#exitOfCell(),
    ]);
    this.#exit.catch(() => undefined);
    return waitFor(this.#exit, signal);
  }

  async freeze(): Promise<void> {
    if (!this.isLive) return;
    this.#isFrozen = true;
    await setPaused(this.#options.context.client, this.binding.containerId, true);
  }

  async thaw(): Promise<void> {
    if (!this.#isFrozen) return;
    await setPaused(this.#options.context.client, this.binding.containerId, false);
    this.#isFrozen = false;
  }

  /** The job gets SIGTERM, and the whole container SIGKILL after the grace: nobody uses it again then. */
  async kill(graceMs: number): Promise<void> {
    const { client } = this.#options.context;
    const { pid } = this.#turn;
    if (this.#turn.end !== undefined) return;
    if (graceMs > 0 && pid !== undefined) {
      await terminate(client, this.binding.containerId, pid);
      if (await endsWithin(this, graceMs)) return;
    }
    await this.cell.kill();
    await endsAfterKill(this);
  }

  evidence(): ContainerEvidence {
    const { events } = this.#options.context;
    const { sidecarId, holderId, containerId } = this.binding;
    return evidenceSince(events.of(containerId), this.#startedAt, {
      oomKills: this.#turn.end?.oomKills,
      sidecarDied: events.hasAnyDied(sidecarId, holderId),
      sidecar: this.#guard.state,
    });
  }

  keepSidecar(signal: AbortSignal): Promise<string | undefined> {
    return this.#guard.run(firstOf(signal, this.#over.signal));
  }

  release(): Promise<void> {
    this.#released ??= this.#release();
    return this.#released;
  }

  /** Lets go of it and leaves the container as it is. */
  detach(): void {
    this.#over.abort(letGoOf(this.binding));
  }

  async #release(): Promise<void> {
    this.detach();
    // A program that nobody follows any more is ended with all that it is in.
    if (this.isLive || this.#isFrozen) {
      await this.cell.kill();
      await endsWithin(this, KILL_MS);
    }
    await this.#options.leave(this);
  }

  /** The turn's own end may have been on its way when the container ended. */
  async #exitOfCell(): Promise<ExitReport> {
    const report = await this.cell.exit;
    using limit = deadline(LAST_WORDS_MS, 'no more output came');
    await waitFor(this.cell.closed, limit).catch(() => undefined);
    return this.#turn.end === undefined ? report : exitOf(this.#turn.end, this.#startedAt);
  }
}
