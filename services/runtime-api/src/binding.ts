import { setMaxListeners } from 'node:events';
import type { SidecarCommand } from '@cronium/contracts';

/** The attempt that this sidecar serves at the moment. */
export type Binding = Omit<Extract<SidecarCommand, { type: 'bind' }>, 'type'>;

/** What the worker configured. */
export type Settings = Omit<Extract<SidecarCommand, { type: 'configure' }>, 'type'>;

/** Holds the binding; nothing of a former attempt is left after `release`. */
export class BindingHolder {
  #binding: Binding | undefined;
  #ended = newEnd();
  #fresh = true;

  get current(): Binding | undefined {
    return this.#binding;
  }

  /** No attempt was ever bound: the worker has not said yet whom this sidecar serves. */
  get fresh(): boolean {
    return this.#fresh;
  }

  /** Aborts when the present attempt ends: whatever was begun for it stops. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Ends the attempt before, if it is another one. */
  take(binding: Binding): void {
    if (this.#binding?.attemptId === binding.attemptId) return;
    this.release();
    this.#fresh = false;
    this.#binding = binding;
    this.#ended = newEnd();
  }

  release(): void {
    this.#binding = undefined;
    this.#ended.abort(new Error('the attempt has ended'));
  }
}

/** Every request and connection of the attempt listens to it. */
function newEnd(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}
