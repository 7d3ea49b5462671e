import { EGRESS_PORT, RUNTIME_PORT, type SidecarCommand, type SidecarReply } from '@cronium/contracts';
import { createAdaptorServer } from '@hono/node-server';
import type { JWK } from 'jose';
import { createApp } from './app.ts';
import { BindingHolder, type Settings } from './binding.ts';
import { Counters } from './counters.ts';
import { createEgressProxy } from './proxy.ts';
import { resultsRelay } from './relay.ts';
import { valkeyRevocations } from './revocation.ts';

/** Writes one JSON line to the sidecar's own log. */
export type Log = (entry: Readonly<Record<string, unknown>>) => void;

interface Listening {
  listen(options: { host: string; port: number }, done: () => void): unknown;
  once(event: 'error', failed: (error: Error) => void): unknown;
}

/** Carries out the worker's commands: it configures the sidecar once, then binds and unbinds attempts. */
export class Sidecar {
  readonly #binding = new BindingHolder();
  readonly #counters = new Counters();
  readonly #log: Log;
  readonly #ports: { readonly api: number; readonly egress: number };
  readonly #closers: (() => unknown)[] = [];
  #address: string | undefined;
  #proxy: ReturnType<typeof createEgressProxy> | undefined;

  constructor({
    log,
    ports = { api: RUNTIME_PORT, egress: EGRESS_PORT },
  }: { log: Log; ports?: { api: number; egress: number } }) {
    this.#log = log;
    this.#ports = ports;
  }

  async carryOut(command: SidecarCommand): Promise<SidecarReply> {
    switch (command.type) {
      case 'configure':
        return this.#configure(command);
      case 'bind': {
        const { type: _, ...binding } = command;
        if (this.#address === undefined) return { type: 'error', message: 'bind before configure' };
        this.#binding.take(binding);
        if (binding.egress.mode !== 'none') await this.#openProxy(this.#address);
        return { type: 'bound', attemptId: binding.attemptId };
      }
      case 'unbind':
        this.#binding.release();
        return { type: 'unbound' };
    }
  }

  /** Closes its ports and connections. */
  async close(): Promise<void> {
    this.#binding.release();
    await Promise.all(this.#closers.map((close) => close()));
  }

  async #configure(settings: Settings): Promise<SidecarReply> {
    // A worker that takes over sends its settings again; the first ones stay.
    if (this.#address !== undefined) return { type: 'ready' };
    const binding = this.#binding;
    const revocations = valkeyRevocations({ url: settings.valkeyUrl, prefix: settings.prefix });
    this.#closers.push(() => revocations.close());
    const app = createApp({
      jwks: settings.jwks as JWK[],
      binding,
      revocations,
      relay: resultsRelay(settings.resultsUrl, () => binding.ended),
      metrics: () => this.#counters.text(),
      count: (status) => this.#counters.request(status),
      log: (message, error) => this.#log({ level: 'error', msg: message, error: String(error) }),
    });
    await listening(createAdaptorServer({ fetch: app.fetch }), {
      host: settings.address,
      port: this.#ports.api,
    });
    this.#address = settings.address;
    return { type: 'ready' };
  }

  async #openProxy(address: string): Promise<void> {
    if (this.#proxy !== undefined) return;
    const proxy = createEgressProxy({
      binding: this.#binding,
      log: (entry) => {
        this.#counters.egress(entry.allowed);
        this.#log({ level: 'info', msg: 'egress', ...entry });
      },
    });
    await listening(proxy, { host: address, port: this.#ports.egress });
    this.#closers.push(() => closed(proxy));
    this.#proxy = proxy;
  }
}

function closed(server: { close(done: () => void): unknown; closeAllConnections?(): void }): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeAllConnections?.();
  return promise;
}

function listening(server: Listening, options: { host: string; port: number }): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(options, resolve);
  return promise;
}
