import { waitFor } from '@cronium/lifecycle';
import type { DockerSandbox } from '../docker-sandbox.ts';
import type { ExpectedAttempt, PreparationObserver, SandboxRequest } from '../runtime.ts';
import { openedServices } from '../services.ts';
import { type OccupyTools, occupy, sendAhead } from '../slot/occupy.ts';
import type { WarmPool, WarmSandbox } from './warm-pool.ts';

/** A container that waits, set aside for an attempt. */
interface SetAside {
  readonly warm: WarmSandbox;
  /** Resolves when the slot's sidecar serves the attempt; nobody need wait for it. */
  readonly bound: Promise<void>;
}

export interface WarmStartOptions {
  readonly request: SandboxRequest;
  readonly observer: PreparationObserver;
  readonly signal: AbortSignal;
}

const NOTHING: Disposable = { [Symbol.dispose]: () => undefined };

/** Gives containers that wait, and their slots, to attempts: all that there is to do is to bind the sidecar. */
export class WarmStarts {
  readonly #tools: OccupyTools;
  readonly #pool: WarmPool;
  /** By attempt; `undefined` when there was none to set aside. */
  readonly #begun = new Map<string, SetAside | undefined>();

  constructor(tools: OccupyTools, pool: WarmPool) {
    this.#tools = tools;
    this.#pool = pool;
  }

  /**
   * Sets a container aside for an attempt that is likely to run, and binds its sidecar. The container is told nothing, so
   * what the attempt does not take until the end of this goes back.
   */
  begin(attempt: ExpectedAttempt): Disposable {
    if (!canBegin(attempt)) return NOTHING;
    const { attemptId } = attempt;
    const one = this.#setAside(attempt);
    this.#begun.set(attemptId, one);
    return {
      [Symbol.dispose]: () => {
        if (this.#begun.get(attemptId) !== one) return;
        this.#begun.delete(attemptId);
        if (one !== undefined) this.#pool.takeBack(one.warm, one.bound);
      },
    };
  }

  /** `undefined` when none stands ready, or the one that did was broken: the job is started cold then. */
  async start(options: WarmStartOptions): Promise<DockerSandbox | undefined> {
    const { request } = options;
    const one = this.#take(request);
    if (one === undefined) return undefined;
    try {
      return await this.#give(one, options);
    } catch (error) {
      this.#tools.options.logger.debug({ err: error, attempt: request.attemptId }, 'a warm start failed');
      await this.#pool.discard(one.warm);
      return undefined;
    }
  }

  #take(request: SandboxRequest): SetAside | undefined {
    const { attemptId } = request;
    const one = this.#begun.has(attemptId) ? this.#begun.get(attemptId) : this.#setAside(request);
    this.#begun.delete(attemptId);
    return one;
  }

  #setAside(attempt: ExpectedAttempt & Partial<Pick<SandboxRequest, 'secrets'>>): SetAside | undefined {
    const warm = this.#pool.take(attempt.spec);
    if (warm === undefined) return undefined;
    const bound = warm.slot.bind(attempt);
    bound.catch(() => undefined);
    return { warm, bound };
  }

  /** @throws SandboxError `sidecar` when it does not take the attempt; the signal's reason */
  async #give({ warm, bound }: SetAside, { request, observer, signal }: WarmStartOptions) {
    const { slot, network, image, live } = warm;
    observer.begin('network');
    observer.end('network', { subnet: network.cidr, slot: slot.id, recycled: slot.uses > 0 });
    observer.begin('image');
    observer.end('image', { reference: image.reference, id: image.id });
    observer.begin('sidecar');
    const program = sendAhead(live, request, image);
    await waitFor(bound, signal);
    observer.end('sidecar', openedServices(request.spec));
    observer.begin('start');
    observer.end('start', { start: 'warm' });
    signal.throwIfAborted();
    return occupy(this.#tools, request, { ...warm, program, isUnnamed: true });
  }
}

/**
 * Not for an attempt that is likely to wait for another job, that must first know what to bind, or before which another
 * one's container may have to go.
 */
function canBegin({ spec, attempt }: ExpectedAttempt): boolean {
  const { isolation, secrets, concurrencyKey } = spec;
  return attempt === 1 && isolation === 'job' && secrets.length === 0 && concurrencyKey === undefined;
}
