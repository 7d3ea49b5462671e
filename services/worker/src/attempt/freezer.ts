import { firstOf, pause } from '@cronium/lifecycle';
import type { Sandbox } from '../sandbox/runtime.ts';
import type { Attempt } from './attempt.ts';
import type { AttemptDeps } from './deps.ts';

const RETRY_MS = 500;
const OVER = new Error('nothing is held still any more');

/**
 * Holds a sandbox still for as long as it is in doubt whether the job is ours, and with it the attempt's time: so another
 * worker may run the job, and no work is lost if none does.
 * @param isFrozen as the sandbox stands now; `undefined` when that is not known
 * @returns what ends it; the sandbox stays as it is then
 */
export function keepFenced(
  attempt: Attempt,
  sandbox: Sandbox,
  { isFrozen, deps }: { readonly isFrozen: boolean | undefined; readonly deps: AttemptDeps },
): Disposable {
  const over = new AbortController();
  const signal = firstOf(over.signal, attempt.dropped);
  void new Freezer(attempt, sandbox, deps).run(isFrozen, signal);
  return { [Symbol.dispose]: () => over.abort(OVER) };
}

class Freezer {
  readonly #attempt: Attempt;
  readonly #sandbox: Sandbox;
  readonly #deps: AttemptDeps;

  constructor(attempt: Attempt, sandbox: Sandbox, deps: AttemptDeps) {
    this.#attempt = attempt;
    this.#sandbox = sandbox;
    this.#deps = deps;
  }

  /** Never rejects. */
  async run(isFrozen: boolean | undefined, signal: AbortSignal): Promise<void> {
    const { lease } = this.#attempt;
    let stands = isFrozen;
    let wake: () => void = () => undefined;
    const stop = () => wake();
    const unlisten = lease.onChange(stop);
    signal.addEventListener('abort', stop, { once: true });
    while (!signal.aborted) {
      const { promise: changed, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      const wanted = !lease.isSure;
      if (wanted === stands) await changed;
      else stands = (await this.#set(wanted, signal)) ? wanted : undefined;
    }
    unlisten();
    signal.removeEventListener('abort', stop);
  }

  /** @returns did it work? */
  async #set(wanted: boolean, signal: AbortSignal): Promise<boolean> {
    const { clock, id } = this.#attempt;
    if (wanted) clock.stop();
    try {
      if (wanted) await this.#sandbox.freeze();
      else await this.#sandbox.thaw();
    } catch (error) {
      this.#deps.log.warn(
        { err: error, attempt: id },
        'the container could not be held still or let go on; trying again',
      );
      await pause(RETRY_MS, signal).catch(() => undefined);
      return false;
    }
    if (!wanted) clock.go();
    if (wanted)
      this.#deps.log.warn({ attempt: id }, 'held the container still: its lock could not be renewed');
    else if (clock.stoodMs > 0)
      this.#deps.log.info({ attempt: id, stoodMs: clock.stoodMs }, 'the container goes on');
    return true;
  }
}
