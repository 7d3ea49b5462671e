import { signalContainer } from '../containers.ts';
import type { SandboxContext } from '../docker-sandbox.ts';
import type { AttemptIdentity, SandboxBinding } from '../runtime.ts';

/** What the journal knows of the batch containers of a former process: one container, several attempts' turns in it. */
export class FormerCells {
  readonly #context: SandboxContext;
  readonly #removeSlotOf: (binding: SandboxBinding) => Promise<void>;
  readonly #byContainer = new Map<string, { last: number; readonly bindings: Map<string, SandboxBinding> }>();

  constructor(context: SandboxContext, removeSlotOf: (binding: SandboxBinding) => Promise<void>) {
    this.#context = context;
    this.#removeSlotOf = removeSlotOf;
  }

  expect(binding: SandboxBinding): void {
    const known = this.#byContainer.get(binding.containerId) ?? { last: 0, bindings: new Map() };
    this.#byContainer.set(binding.containerId, known);
    known.last = Math.max(known.last, binding.batch?.turn ?? 0);
    known.bindings.set(binding.attemptId, binding);
  }

  of(identity: AttemptIdentity): readonly SandboxBinding[] {
    return this.#all().filter(
      ({ jobId, attempt }) => jobId === identity.jobId && attempt <= identity.attempt,
    );
  }

  /** The binding whose program may run in a slot: those of earlier turns have ended. */
  lastIn(slot: string): SandboxBinding | undefined {
    return this.#all().find((binding) => binding.slot === slot && this.isLast(binding));
  }

  has(slot: string): boolean {
    return this.#all().some((binding) => binding.slot === slot);
  }

  isLast({ containerId, batch }: SandboxBinding): boolean {
    return batch?.turn === this.#byContainer.get(containerId)?.last;
  }

  /**
   * An attempt needs the container no more. If its program may still run, all in it is killed; the container itself goes
   * with the last attempt whose log may be in it.
   */
  async leave(binding: SandboxBinding): Promise<void> {
    const known = this.#byContainer.get(binding.containerId);
    if (known === undefined || !known.bindings.has(binding.attemptId)) return;
    if (this.isLast(binding)) await signalContainer(this.#context.client, binding.containerId, 'SIGKILL');
    if (known.bindings.size === 1) await this.#removeSlotOf(binding);
    known.bindings.delete(binding.attemptId);
    if (known.bindings.size === 0) this.#byContainer.delete(binding.containerId);
  }

  #all(): SandboxBinding[] {
    return [...this.#byContainer.values()].flatMap(({ bindings }) => [...bindings.values()]);
  }
}
