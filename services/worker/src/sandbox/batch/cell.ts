import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { jobContainerName } from '@cronium/contracts';
import { waitFor } from '@cronium/lifecycle';
import type { ContainerCreateOptions } from 'dockerode';
import { attachContainer, isContainerRunning, signalContainer, startContainer } from '../containers.ts';
import type { DaemonRun } from '../daemon-epoch.ts';
import { watchExit } from '../exit.ts';
import type { ImageFacts } from '../images.ts';
import { createJob, type JobTools } from '../job-start.ts';
import { FrameDecoder, type StreamName } from '../log/frames.ts';
import { MarkerCutter } from '../log/markers.ts';
import { removeRemains } from '../removal.ts';
import { type ExitReport, SandboxError, type SandboxRequest } from '../runtime.ts';
import type { SlotNetwork } from '../slot/network.ts';
import type { Slot } from '../slot/slot.ts';
import { hello as helloFrame, SUPERVISOR_ENTRYPOINT } from './supervisor.ts';
import type { Turn } from './turn.ts';

const MIB = 1024 * 1024;
/** Jobs that a container serves: whatever a kernel gathers for one has an end. */
const MAX_TURNS = 1000;
/** A turn is found in the container's stored log by reading it from its beginning. */
const MAX_LOG_BYTES = 16 * MIB;

/** What a cell is made of. */
export interface CellParts {
  readonly slot: Slot;
  readonly network: SlotNetwork;
  readonly holderId: string;
  readonly sidecarId: string;
  readonly containerId: string;
  readonly image: ImageFacts;
  /** The daemon's run when it started. */
  readonly startedIn: DaemonRun | undefined;
  /** Begins the container's own first markers. */
  readonly hello: string;
  readonly socket: Duplex;
}

/**
 * A container that serves the jobs of one batch, one after another, in a slot of its own. At most one turn is open at a
 * time, from its begin until the container is clean again. A cell that is not as it should be is spoiled for good.
 */
export class Cell {
  readonly parts: CellParts;
  readonly #tools: JobTools;
  readonly #decoder = new FrameDecoder();
  readonly #hello: Readonly<Record<StreamName, MarkerCutter>>;
  readonly #greeted = new Set<StreamName>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #over = new AbortController();
  /** The attempts whose log may still be wanted from Docker's own. */
  readonly #users = new Set<string>();
  readonly #exit: Promise<ExitReport>;
  readonly #logBytesMax: number;
  #turn: Turn | undefined;
  #turns = 0;
  #bytes = 0;
  #isSpoiled = false;
  #isOpen = true;
  readonly #closed = Promise.withResolvers<void>();
  #unused = Promise.withResolvers<void>();

  constructor(tools: JobTools, parts: CellParts) {
    this.parts = parts;
    this.#tools = tools;
    this.#logBytesMax = Math.min(MAX_LOG_BYTES, tools.options.logMaxBytes / 8);
    const { socket, hello } = parts;
    this.#hello = { stdout: new MarkerCutter(hello), stderr: new MarkerCutter(hello) };
    socket.on('data', (data: Buffer) => this.#take(data));
    for (const event of ['end', 'close', 'error']) socket.on(event, () => this.#lost());
    socket.write(helloFrame(hello, parts.image.volumes));
    this.#exit = this.#watch();
    // Whoever asks gets the failure; nobody has to ask.
    this.#exit.catch(() => undefined);
  }

  /**
   * Resolves when the supervisor has said on both streams that it is there: what it writes before would be taken for
   * another's. @throws SandboxError when it ends before
   */
  async ready(signal: AbortSignal): Promise<void> {
    const lost = this.closed.then(() => {
      throw new SandboxError(
        'docker',
        `the container ${this.parts.containerId} ended before it could serve a batch`,
      );
    });
    await waitFor(Promise.race([this.#ready.promise, lost]), signal);
  }

  /** How many turns it has served, the present one included. */
  get turns(): number {
    return this.#turns;
  }

  /** May another job of the batch use it? */
  get isSound(): boolean {
    return !this.#isSpoiled && this.#isOpen && this.parts.slot.isSound && !this.isSpent;
  }

  /** It has served its time. */
  get isSpent(): boolean {
    return this.#turns >= MAX_TURNS || this.#bytes >= this.#logBytesMax;
  }

  /** Does a turn run in it, or is not cleaned up after? */
  get isBusy(): boolean {
    return this.#turn !== undefined && !this.#turn.isClean;
  }

  /** Resolves when no more output comes over the connection. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Is an attempt's log still wanted? */
  get isUsed(): boolean {
    return this.#users.size > 0;
  }

  /** How the container ended. */
  get exit(): Promise<ExitReport> {
    return this.#exit;
  }

  /** An attempt has the cell; its log may be wanted until it leaves. */
  enter(attemptId: string): void {
    if (!this.isUsed) this.#unused = Promise.withResolvers<void>();
    this.#users.add(attemptId);
    this.#turns += 1;
  }

  leave(attemptId: string): void {
    this.#users.delete(attemptId);
    if (this.#users.size === 0) this.#unused.resolve();
  }

  /** Sends a turn to the container. @throws Error when it cannot take one */
  async begin(turn: Turn, program: Buffer): Promise<void> {
    if (!this.#isOpen || this.#isSpoiled || this.isBusy) throw new Error('the container takes no turn');
    this.#turn = turn;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.parts.socket.write(program, (error) => (error ? reject(error) : resolve()));
    await promise;
  }

  isRunning(signal: AbortSignal): Promise<boolean | undefined> {
    return isContainerRunning(this.#tools.context.client, this.parts.containerId, signal);
  }

  /** Nobody uses it again, whatever it says. */
  spoil(): void {
    this.#isSpoiled = true;
  }

  /** Ends every process in it. Idempotent. */
  async kill(): Promise<void> {
    this.spoil();
    await signalContainer(this.#tools.context.client, this.parts.containerId, 'SIGKILL');
  }

  /** Lets go of it: it ends by itself after its present turn. Idempotent. */
  detach(): void {
    this.#over.abort(new Error('the container was let go of'));
    this.parts.socket.destroy();
    this.#tools.context.events.forget(this.parts.containerId);
  }

  /**
   * Removes the container, when no log is wanted of it any more. Its slot is the caller's.
   * @param signal ends the wait for that, and lets go of the container
   * @returns false when it was let go of: it is its successor's
   */
  async remove(signal: AbortSignal): Promise<boolean> {
    this.spoil();
    const { client, limits } = this.#tools.context;
    // Stdin's end is the supervisor's; a turn that runs is ended by who wants that.
    while (this.isUsed && !signal.aborted) await waitFor(this.#unused.promise, signal).catch(() => undefined);
    this.detach();
    if (this.isUsed) return false;
    await removeRemains(client, { containers: [this.parts.containerId], networks: [] }, limits.releaseMs);
    return true;
  }

  #take(data: Buffer): void {
    const at = Date.now();
    for (const { stream, bytes } of this.#decoder.push(data)) {
      this.#bytes += bytes.length;
      if (this.#turn !== undefined) this.#turn.take(stream, bytes, at);
      else if (this.#hello[stream].push(bytes).some(({ type }) => type === 'marker'))
        this.#greeted.add(stream);
    }
    if (this.#greeted.size === 2) this.#ready.resolve();
    if (this.#turn?.isForeign) void this.kill().catch(() => undefined);
  }

  #lost(): void {
    this.#isOpen = false;
    this.#turn?.cut();
    this.#closed.resolve();
  }

  #watch(): Promise<ExitReport> {
    const { client, events, epoch, limits } = this.#tools.context;
    const { containerId, startedIn } = this.parts;
    const { inspectEveryMs } = limits;
    const signal = this.#over.signal;
    const onRunning = () => undefined;
    return watchExit({ client, events, epoch, containerId, startedIn, inspectEveryMs, signal, onRunning });
  }
}

/** Makes the container of a cell in a slot, started, its supervisor waiting for turns. No user code has run. */
export async function makeCell(tools: JobTools, { request, slot, image, signal }: MakeCell): Promise<Cell> {
  const { context } = tools;
  const { client } = context;
  const startedIn = await context.epoch.current();
  const holderId = await slot.holder;
  const { containerId, image: from } = await createJob(tools, {
    name: jobContainerName(slot.id),
    mayReplace: () => true,
    labels: slot.labels('job'),
    ...{ spec: request.spec, image, holderId, signal },
    adapt: supervised,
  });
  // Before the start, so that nothing is missed.
  const socket = await attachContainer(client, containerId);
  await startContainer(client, containerId);
  const [network, sidecarId] = await Promise.all([slot.network, slot.sidecarId()]);
  const hello = randomBytes(16).toString('hex');
  const made = { slot, network, holderId, sidecarId, containerId, image: from, startedIn, hello, socket };
  const cell = new Cell(tools, made);
  try {
    await cell.ready(signal);
    return cell;
  } catch (error) {
    cell.detach();
    throw error;
  }
}

export interface MakeCell {
  readonly request: SandboxRequest;
  readonly slot: Slot;
  readonly image: ImageFacts;
  readonly signal: AbortSignal;
}

/** PID 1 is the supervisor: the kernel protects it from what runs below, and hands it all orphans. */
function supervised(options: ContainerCreateOptions): ContainerCreateOptions {
  return {
    ...options,
    Env: [],
    Entrypoint: [...SUPERVISOR_ENTRYPOINT],
    HostConfig: { ...options.HostConfig, Init: false },
  };
}
