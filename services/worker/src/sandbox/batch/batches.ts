import { randomBytes } from 'node:crypto';
import type { SandboxContext } from '../docker-sandbox.ts';

import { jobProgram, runsInWorkspace } from '../job-program.ts';
import {
  type AttemptIdentity,
  type PreparationObserver,
  type Sandbox,
  type SandboxBinding,
  SandboxError,
  type SandboxRequest,
} from '../runtime.ts';
import { openedServices } from '../services.ts';
import { bindingOf } from '../slot/binding.ts';
import { dutyOf, type SidecarDuty } from '../slot/sidecar.ts';
import { AdoptedBatchSandbox } from './adopted-sandbox.ts';
import { BatchSandbox } from './batch-sandbox.ts';
import type { Cell } from './cell.ts';
import { Cells, type CellsOptions } from './cells.ts';
import { FormerCells } from './former.ts';
import { turnProgram } from './supervisor.ts';

/** A sidecar that does not take its attempt spoils its cell; another one may. */
const MAX_TRIES = 3;

export interface BatchesOptions extends CellsOptions {
  readonly context: SandboxContext;
  /** Removes the slot of a former process and all that stands in it. */
  removeSlotOf(binding: SandboxBinding): Promise<void>;
}

/** Runs the jobs of a batch one after another in containers that they share. */
export class Batches {
  readonly #options: BatchesOptions;
  readonly #cells: Cells;
  readonly #former: FormerCells;
  readonly #sandboxes = new Set<BatchSandbox | AdoptedBatchSandbox>();

  constructor(options: BatchesOptions) {
    this.#options = options;
    this.#cells = new Cells(options);
    this.#former = new FormerCells(options.context, (binding) => options.removeSlotOf(binding));
  }

  /**
   * A sandbox in a container that serves the job's batch; `undefined` for a job that does not share one.
   * @throws SandboxError, or the signal's reason
   */
  async prepare(
    request: SandboxRequest,
    observer: PreparationObserver,
    signal: AbortSignal,
  ): Promise<Sandbox | undefined> {
    if (!isShared(request)) return undefined;
    for (let tries = 1; ; tries++) {
      const cell = await this.#take(request, observer, signal);
      const nonce = randomBytes(16).toString('hex');
      let program: Buffer | undefined;
      try {
        program = turnProgram(jobProgram(request, cell.parts.image, nonce));
        if (program !== undefined) await this.#bind(cell, request, { observer, signal });
      } catch (error) {
        cell.spoil();
        this.#cells.giveBack(cell);
        const mayHelp = error instanceof SandboxError && error.code === 'sidecar' && !signal.aborted;
        if (!mayHelp || tries === MAX_TRIES) throw error;
        continue;
      }
      if (program !== undefined) return this.#occupy(cell, request, { nonce, program });
      this.#cells.giveBack(cell);
      return undefined;
    }
  }

  /** Takes back a turn of a former process, or finds one of this process. */
  adopt(binding: SandboxBinding, duty: SidecarDuty): Sandbox {
    const own = [...this.#sandboxes].find((sandbox) => sandbox.binding.nonce === binding.nonce);
    if (own !== undefined) return own;
    this.#former.expect(binding);
    const sandbox = new AdoptedBatchSandbox({
      ...{ context: this.#options.context, binding, duty },
      isLast: () => this.#former.isLast(binding),
      leave: async (one) => {
        this.#sandboxes.delete(one);
        await this.#former.leave(binding);
      },
    });
    this.#sandboxes.add(sandbox);
    return sandbox;
  }

  expect(binding: SandboxBinding): void {
    this.#former.expect(binding);
  }

  /** Ends the turns of an attempt, and of former ones of its job. Idempotent. */
  async purge(identity: AttemptIdentity): Promise<void> {
    const { jobId, attempt } = identity;
    const known = [...this.#sandboxes].filter(
      ({ binding }) => binding.jobId === jobId && binding.attempt <= attempt,
    );
    await Promise.all(known.map((sandbox) => sandbox.release()));
    await Promise.all(this.#former.of(identity).map((binding) => this.#former.leave(binding)));
  }

  /** Of a job one program runs at most: those of former attempts go first. @throws SandboxError for an older attempt */
  async fence({ jobId, attempt, attemptId }: AttemptIdentity): Promise<void> {
    const others = [...this.#sandboxes].filter(({ binding }) => binding.jobId === jobId);
    if (others.some(({ binding }) => binding.attempt > attempt)) {
      const what = `a newer attempt than ${attemptId} runs on this node`;
      throw new SandboxError('docker', what, { statusCode: 409 });
    }
    if (attempt > 1) await this.purge({ jobId, attempt: attempt - 1, attemptId });
  }

  /** The attempt whose program may run in a slot. */
  attemptIn(slot: string): string | undefined {
    const own = [...this.#sandboxes].find(
      (sandbox) => sandbox instanceof BatchSandbox && sandbox.binding.slot === slot && sandbox.isLive,
    );
    return (own?.binding ?? this.#former.lastIn(slot))?.attemptId;
  }

  /** Does a living attempt of a former process need what stands in a slot? */
  isNeeded(slot: string): boolean {
    return this.#former.has(slot);
  }

  /** Removes what serves nobody, and leaves what serves someone to the next process. */
  async close(): Promise<void> {
    for (const sandbox of this.#sandboxes) sandbox.detach();
    this.#sandboxes.clear();
    await this.#cells.close();
  }

  async #take(request: SandboxRequest, observer: PreparationObserver, signal: AbortSignal): Promise<Cell> {
    observer.begin('network');
    const cell = await this.#cells.take(this.#groupOf(request), request, signal);
    const { network, slot, image } = cell.parts;
    observer.end('network', { subnet: network.cidr, slot: slot.id, recycled: slot.uses > 0 });
    observer.begin('image');
    observer.end('image', { reference: image.reference, id: image.id });
    return cell;
  }

  async #bind(
    cell: Cell,
    request: SandboxRequest,
    { observer, signal }: { readonly observer: PreparationObserver; readonly signal: AbortSignal },
  ): Promise<void> {
    observer.begin('sidecar');
    // A sidecar forgets the attempt before when it is bound to another; that one's processes are gone.
    await cell.parts.slot.bind(request, signal);
    observer.end('sidecar', openedServices(request.spec));
    observer.begin('start');
    observer.end('start', { start: 'batch', turn: cell.turns + 1 });
  }

  #occupy(
    cell: Cell,
    request: SandboxRequest,
    { nonce, program }: { readonly nonce: string; readonly program: Buffer },
  ): Sandbox {
    cell.enter(request.attemptId);
    const { context, options } = this.#options;
    const { parts, turns: turn } = cell;
    const binding = {
      ...bindingOf(options, request, { nonce, parts }),
      batch: { turn, hello: parts.hello },
    };
    const leave = (one: BatchSandbox) => this.#leave(one);
    const duty = { ...dutyOf(binding, request, options), line: parts.slot.line };
    const sandbox = new BatchSandbox({ context, binding, cell, program, duty, leave });
    this.#sandboxes.add(sandbox);
    void sandbox.cleaned.then(() => {
      // Docker tells of it late: what it says must be of this turn.
      if (sandbox.ranOutOfMemory) cell.spoil();
      this.#cells.giveBack(cell);
    });
    return sandbox;
  }

  async #leave(sandbox: BatchSandbox): Promise<void> {
    const { cell, binding } = sandbox;
    this.#sandboxes.delete(sandbox);
    cell.leave(binding.attemptId);
    if (sandbox.isUnused) this.#cells.giveBack(cell);
    if (!cell.isSound && !cell.isBusy) await this.#cells.drop(cell);
  }

  /** Jobs share a container only when it would have been made the same way for each, and for one tenant's batch. */
  #groupOf({ payload, spec }: SandboxRequest): string {
    const image = this.#options.images.referenceFor(spec);
    const { tenant, batchId } = payload;
    return JSON.stringify([
      tenant,
      batchId,
      image,
      runsInWorkspace(spec),
      spec.resources,
      spec.egress,
      spec.requires,
    ]);
  }
}

function isShared({ spec, payload }: SandboxRequest): boolean {
  return spec.isolation === 'batch' && payload.batchId !== undefined;
}
