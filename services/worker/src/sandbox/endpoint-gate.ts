import type { HostLock, Release } from './host-lock.ts';

/** So long others may join a turn: then another process of the host has its chance. */
const OPEN_MS = 500;

type Kind = 'change' | 'rename';

/** While it lasts, this process has the lock; all that goes on in it is of one kind. */
interface Turn {
  readonly kind: Kind;
  readonly begun: Promise<void>;
  readonly ended: Promise<void>;
  beganAt: number | undefined;
  going: number;
  end(): void;
}

/**
 * Keeps renames of containers apart from what adds endpoints to their networks or takes them away. Docker writes the
 * count of a network's endpoints back when it renames a container on it; when the count has changed meanwhile, the
 * network can never be removed. Workers of one daemon share the lock.
 *
 * Things of one kind go on at once; the kinds take turns.
 */
export class EndpointGate {
  readonly #lock: Pick<HostLock, 'acquire'>;
  #last: Turn | undefined;

  constructor(lock: Pick<HostLock, 'acquire'>) {
    this.#lock = lock;
  }

  /** Starts or removes a container that has endpoints. */
  change<T>(work: () => Promise<T>): Promise<T> {
    return this.#run('change', work);
  }

  /** Renames a container that has endpoints. */
  rename<T>(work: () => Promise<T>): Promise<T> {
    return this.#run('rename', work);
  }

  async #run<T>(kind: Kind, work: () => Promise<T>): Promise<T> {
    const turn = this.#join(kind);
    await turn.begun;
    try {
      return await work();
    } finally {
      turn.going -= 1;
      if (turn.going === 0) turn.end();
    }
  }

  #join(kind: Kind): Turn {
    const last = this.#last;
    const isOpen = last?.beganAt === undefined || performance.now() - last.beganAt < OPEN_MS;
    if (last !== undefined && last.going > 0 && last.kind === kind && isOpen) {
      last.going += 1;
      return last;
    }
    this.#last = this.#turnAfter(last, kind);
    return this.#last;
  }

  #turnAfter(last: Turn | undefined, kind: Kind): Turn {
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    let release: Release | undefined;
    const begin = async () => {
      await last?.ended;
      release = await this.#lock.acquire();
      turn.beganAt = performance.now();
    };
    const end = () => {
      release?.();
      resolve();
    };
    const turn: Turn = { kind, begun: begin(), ended, beganAt: undefined, going: 1, end };
    return turn;
  }
}
