import { firstOf } from '@cronium/lifecycle';
import type { DockerClient } from './docker.ts';
import type { FleetImageStore } from './fleet-images.ts';
import type { DockerRuntimeOptions } from './options.ts';
import { type Blocker, probeSharedNetwork } from './probe.ts';
import { type RuntimeFacts, SandboxError } from './runtime.ts';
import { takenRanges } from './slot/network.ts';
import type { SubnetAllocator } from './subnets.ts';

const VERSION_MS = 5000;
const FACTS_MS = 60_000;
/** A failed proof is repeated sooner: someone is waiting for it. */
const FAILED_PROBE_CACHE_MS = 3000;
/** Engines before API 1.42 (version 23) lose newlines of long lines in their stored logs. */
const WHOLE_LINES_API = 42;

/** What is read of the answer to `GET /info`. */
interface EngineInfo {
  readonly ServerVersion: string;
  readonly CgroupVersion?: string;
  readonly DockerRootDir: string;
}

export interface ReadinessInput {
  readonly client: DockerClient;
  readonly options: DockerRuntimeOptions;
  readonly images: FleetImageStore;
  readonly subnets: SubnetAllocator;
  readonly probeCacheMs: number;
}

/** What keeps this node from running jobs: daemon, addresses, images, shared network, in this order. */
export class Readiness {
  readonly #input: ReadinessInput;
  #losesNewlines = true;
  #facts: RuntimeFacts | undefined;
  #factsUntil = 0;
  #probed: { readonly until: number; readonly blockers: readonly Blocker[] } | undefined;
  #checking: Promise<readonly Blocker[]> | undefined;
  readonly #closed = new AbortController();

  constructor(input: ReadinessInput) {
    this.#input = input;
  }

  get losesNewlines(): boolean {
    return this.#losesNewlines;
  }

  /** The engine as it last described itself. */
  get facts(): RuntimeFacts | undefined {
    return this.#facts;
  }

  /** Concurrent calls share one check. */
  check(signal: AbortSignal): Promise<readonly Blocker[]> {
    this.#checking ??= this.#check(signal).finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  /** Ends a check that goes on; when this resolves, its probe is gone. */
  async close(): Promise<void> {
    this.#closed.abort(new Error('closed'));
    await this.#checking?.catch(() => undefined);
  }

  async #check(caller: AbortSignal): Promise<readonly Blocker[]> {
    using signal = firstOf(caller, this.#closed.signal);
    try {
      await this.#daemon(signal);
      await this.#describe(signal);
      const addresses = await this.#addresses(signal);
      const images = await this.#input.images.missing(signal);
      return [...addresses, ...images, ...(images.length === 0 ? await this.#network(signal) : [])];
    } catch (error) {
      if (!(error instanceof SandboxError) || error.code !== 'docker') throw error;
      return [{ name: 'docker', message: `${error.message}; see that the daemon runs and answers` }];
    }
  }

  async #daemon(signal: AbortSignal): Promise<void> {
    const { ApiVersion } = await this.#input.client.call<{ ApiVersion: string }>({
      operation: 'ask the daemon for its version',
      method: 'GET',
      path: '/version',
      timeoutMs: VERSION_MS,
      signal,
    });
    this.#losesNewlines = Number(ApiVersion.split('.')[1]) < WHOLE_LINES_API;
  }

  /** What changes seldom is asked for seldom. */
  async #describe(signal: AbortSignal): Promise<void> {
    if (Date.now() < this.#factsUntil) return;
    const { client, images } = this.#input;
    const info = await client.call<EngineInfo>({
      operation: 'ask the daemon what it is',
      method: 'GET',
      path: '/info',
      timeoutMs: VERSION_MS,
      signal,
    });
    this.#facts = {
      docker: { version: info.ServerVersion, cgroup: `v${info.CgroupVersion ?? '1'}` },
      images: await images.present(signal),
      folder: client.isLocal ? info.DockerRootDir : undefined,
    };
    this.#factsUntil = Date.now() + FACTS_MS;
  }

  async #addresses(signal: AbortSignal): Promise<Blocker[]> {
    const { client, subnets } = this.#input;
    subnets.observe(await takenRanges(client, signal));
    const conflicts = subnets.conflicts();
    if (subnets.free > 0 || conflicts.length === 0) return [];
    const message = `no subnet of CRONIUM_SUBNET_RANGE (${subnets.range}) is free, others use it: ${conflicts.slice(0, 5).join(', ')}; set it to a range that nothing on this host uses`;
    return [{ name: `subnets ${subnets.range}`, message }];
  }

  async #network(signal: AbortSignal): Promise<readonly Blocker[]> {
    const { client, options, images, probeCacheMs } = this.#input;
    if (this.#probed !== undefined && Date.now() < this.#probed.until) return this.#probed.blockers;
    const blockers = await probeSharedNetwork(client, {
      image: await images.runtime(signal),
      node: options.node,
      network: options.sharedNetwork,
      names: options.sharedNames,
      signal,
    });
    const cacheMs = blockers.length === 0 ? probeCacheMs : Math.min(probeCacheMs, FAILED_PROBE_CACHE_MS);
    this.#probed = { until: Date.now() + cacheMs, blockers };
    return blockers;
  }
}
