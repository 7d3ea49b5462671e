import type { SidecarCommand } from '@cronium/contracts';

/** The attempt that this sidecar serves at the moment. */
export type Binding = Omit<Extract<SidecarCommand, { type: 'bind' }>, 'type'>;

/** What the worker configured. */
export type Settings = Omit<Extract<SidecarCommand, { type: 'configure' }>, 'type'>;

/** Holds the binding; nothing of a former attempt is left after `release`. */
export class BindingHolder {
  #binding: Binding | undefined;
  #ended = new AbortController();

  get current(): Binding | undefined {
    return this.#binding;
  }

  /** Aborts when the present attempt ends: whatever was begun for it stops. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  take(binding: Binding): void {
    this.release();
    this.#binding = binding;
    this.#ended = new AbortController();
  }

  release(): void {
    this.#binding = undefined;
    this.#ended.abort(new Error('the attempt has ended'));
  }
}
