import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { EGRESS_PORT, RUNTIME_PORT, type SidecarCommand, type SidecarReply } from '@cronium/contracts';
import type { JWK } from 'jose';
import { createApp, type Limits } from './app.ts';
import { type Binding, BindingHolder, type Settings } from './binding.ts';
import { Counters, type ServiceState } from './counters.ts';
import { compileEgress } from './egress.ts';
import type { Log } from './log.ts';
import { RefusedError } from './problems.ts';
import { createEgressProxy, type EgressProxy } from './proxy.ts';
import { refuseUnreadable } from './raw-refusal.ts';
import { resultsRelay } from './relay.ts';
import { type Revocations, valkeyRevocations } from './revocation.ts';
import { type ServiceEvent, ServiceGate } from './services.ts';

const MAX_CONNECTIONS = 256;
/** A connection to oneself takes less than a millisecond. */
const OWN_CONNECTION_MS = 3000;
/** The sidecar has 256 MiB. */
const LIMITS: Limits = {
  patienceMs: 20_000,
  maxArtifactBytes: 1024 * 1024 * 1024,
  bodyRoomBytes: 48 * 1024 * 1024,
};

export interface SidecarOptions {
  readonly log: Log;
  readonly ports?: { readonly api: number; readonly egress: number };
  readonly limits?: Partial<Limits>;
  /** The container's addresses, those of the job's network and of the shared one. */
  readonly addresses?: () => readonly string[];
}

/** Carries out the worker's commands: it configures the sidecar once, then binds and unbinds attempts. */
export class Sidecar {
  readonly #binding = new BindingHolder();
  readonly #counters = new Counters();
  readonly #log: Log;
  readonly #ports: { readonly api: number; readonly egress: number };
  readonly #limits: Limits;
  readonly #closers: (() => unknown)[] = [];
  #settings: Settings | undefined;
  /** Those that it had when it was configured: one on the job's network, one on the shared one. */
  #addresses: readonly string[] = [];
  readonly #ownAddresses: () => readonly string[];
  #api: Server | undefined;
  #proxy: EgressProxy | undefined;
  #gate: ServiceGate | undefined;
  #revocations: Revocations | undefined;

  constructor({
    log,
    ports = { api: RUNTIME_PORT, egress: EGRESS_PORT },
    limits,
    addresses = ownAddresses,
  }: SidecarOptions) {
    this.#ownAddresses = addresses;
    this.#log = log;
    this.#ports = ports;
    this.#limits = { ...LIMITS, ...limits };
  }

  /**
   * Carries out one command; call it for one at a time. Each may be sent again: settings that were taken stay, an attempt
   * that is bound stays bound, and its connections with it. Another attempt that is bound meets it as if it were new.
   */
  async carryOut(command: SidecarCommand): Promise<SidecarReply> {
    switch (command.type) {
      case 'configure':
        if (this.#settings === undefined) await this.#configure(command);
        return { type: 'ready' };
      case 'bind': {
        const { type: _, ...binding } = command;
        if (this.#settings === undefined) return { type: 'error', message: 'bind before configure' };
        await this.#bind(binding, this.#settings);
        return { type: 'bound', attemptId: binding.attemptId };
      }
      case 'unbind':
        await this.#unbind();
        return { type: 'unbound' };
      case 'health': {
        const problem = await this.#problem();
        return { type: 'health', ...(problem !== undefined && { problem }) };
      }
    }
  }

  /** Closes its ports and connections. */
  async close(): Promise<void> {
    await this.#unbind();
    await Promise.all(this.#closers.map((close) => close()));
  }

  async #problem(): Promise<string | undefined> {
    if (this.#settings === undefined) return 'it was not configured';
    const present = this.#ownAddresses();
    const gone = this.#addresses.filter((address) => !present.includes(address));
    if (gone.length > 0) return `it has lost its address ${gone.join(', ')}: it was taken off a network`;
    const place = { host: this.#settings.address, port: this.#ports.api };
    if (await takesConnections(place)) return undefined;
    return `its API takes no connections at ${place.host}:${place.port}`;
  }

  async #configure(settings: Settings): Promise<void> {
    const revocations = valkeyRevocations({ url: settings.valkeyUrl, prefix: settings.prefix });
    const relay = resultsRelay(settings.resultsUrl);
    this.#closers.push(
      () => revocations.close(),
      () => relay.close(),
    );
    const app = createApp({
      jwks: settings.jwks as JWK[],
      binding: this.#binding,
      revocations,
      relay,
      limits: this.#limits,
      metrics: () => this.#counters.text(),
      services: () => this.#serviceStates(),
      count: (status) => this.#counters.request(status),
      log: (msg, error) => this.#log({ level: 'error', msg, error: String(error) }),
    });
    const server = createServer(app);
    server.maxConnections = MAX_CONNECTIONS;
    refuseUnreadable(server, unreadable());
    await this.#listen(server, settings.address, this.#ports.api);
    this.#closers.push(() => closed(server));
    this.#revocations = revocations;
    this.#api = server;
    this.#settings = settings;
    this.#addresses = this.#ownAddresses();
  }

  async #bind(binding: Binding, { address, valkeyUrl, resultsUrl }: Settings): Promise<void> {
    const former = this.#binding.current;
    if (former !== undefined && former.attemptId !== binding.attemptId) await this.#unbind();
    const { egress } = binding;
    const fleet = [valkeyUrl, resultsUrl];
    const rules = egress.mode === 'none' ? undefined : compileEgress(egress, { fleet });
    if (rules !== undefined && this.#proxy === undefined) {
      const proxy = createEgressProxy({
        ended: () => this.#binding.ended,
        log: (entry) => {
          this.#counters.egress(entry.allowed);
          this.#log({ level: 'info', msg: 'egress', ...entry });
        },
      });
      await this.#listen(proxy.server, address, this.#ports.egress);
      this.#proxy = proxy;
    }
    await this.#openServices(binding);
    this.#binding.take(binding);
    this.#proxy?.use(rules);
  }

  async #openServices({ services = [] }: Binding): Promise<void> {
    if (services.length === 0 || this.#gate !== undefined) return;
    const gate = new ServiceGate({
      onEvent: (event) => this.#noteService(event),
      onError: (error) => this.#log({ level: 'error', msg: 'a service’s port failed', error: String(error) }),
    });
    await gate.open(services);
    this.#gate = gate;
  }

  /** A job may fail to connect as often as it likes: that it does is said once. */
  #noteService(event: ServiceEvent): void {
    const isNews = this.#counters.service(event) && event.result !== 'opened';
    const { service: sharedService, ...rest } = event;
    this.#log({
      level: isNews ? 'warn' : 'debug',
      msg:
        event.result === 'opened'
          ? 'a shared service was connected to'
          : 'a shared service could not be connected to',
      attempt: this.#binding.current?.attemptId,
      ...{ sharedService, ...rest },
    });
  }

  #serviceStates(): Readonly<Record<string, ServiceState>> {
    const names = (this.#binding.current?.services ?? []).map(({ name }) => name);
    return Object.fromEntries(names.map((name) => [name, this.#counters.serviceState(name)]));
  }

  /** Nothing of the attempt stays: the next one meets a sidecar as if it were new. */
  async #unbind(): Promise<void> {
    this.#binding.release();
    this.#revocations?.forget();
    this.#counters.reset();
    this.#api?.closeAllConnections();
    const proxy = this.#proxy;
    this.#proxy = undefined;
    proxy?.use(undefined);
    const gate = this.#gate;
    this.#gate = undefined;
    await Promise.all([proxy && closed(proxy.server), gate?.close()]);
  }

  async #listen(server: Server, host: string, port: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen({ host, port }, resolve);
    await promise;
    server.off('error', reject);
    server.on('error', (error) =>
      this.#log({ level: 'error', msg: 'a server failed', error: String(error) }),
    );
  }
}

function unreadable(): RefusedError {
  const detail =
    'This is no HTTP/1.1 request: check the request line, the headers and the length of the body.';
  return new RefusedError('bad-request', { status: 400, detail });
}

function ownAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.filter(({ family, internal }) => family === 'IPv4' && !internal).map(({ address }) => address);
}

function takesConnections(place: { readonly host: string; readonly port: number }): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ ...place, timeout: OWN_CONNECTION_MS });
  socket.once('connect', () => resolve(true));
  for (const event of ['error', 'timeout']) socket.once(event, () => resolve(false));
  return promise.finally(() => socket.destroy());
}

function closed(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeAllConnections();
  return promise;
}
