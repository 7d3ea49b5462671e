import { repeat } from '@cronium/lifecycle';
import type { DockerClient } from '../docker.ts';

const RECONNECT_MS = 1000;

/** Tells of any change of the daemon's images and tags, and of each new connection, before which some may have been missed. */
export class ImageEvents {
  readonly #client: DockerClient;
  readonly #onChange: () => void;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  constructor(client: DockerClient, onChange: () => void) {
    this.#client = client;
    this.#onChange = onChange;
  }

  start(): void {
    const options = { everyMs: RECONNECT_MS, signal: this.#stop.signal, onError: () => undefined };
    this.#running ??= repeat((signal) => this.#follow(signal), options);
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error('closed'));
    await this.#running;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const body = await this.#client.stream({
      operation: 'listen to changes of images',
      method: 'GET',
      path: '/events',
      query: { filters: { type: ['image'] } },
      signal,
    });
    const onAbort = () => body.destroy();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      this.#onChange();
      for await (const _ of body) this.#onChange();
    } finally {
      signal.removeEventListener('abort', onAbort);
      body.destroy();
    }
  }
}
