import type { NodeKey, PlacedService } from '@cronium/contracts';
import type { Logger } from '@cronium/telemetry';
import type { CallObserver } from './docker.ts';

/** A host name with a port, as in `valkey:6379`. */
export interface SharedName {
  readonly host: string;
  readonly port: number;
}

/** The images that the fleet itself brings. */
export interface FleetImages {
  readonly runtime: string;
  readonly bash: string;
  readonly python: string;
  readonly node: string;
}

/** What a Docker runtime is made with. */
export interface DockerRuntimeOptions {
  /** The name of this node; goes into the label `cronium.node` of everything that it makes. */
  readonly node: string;
  readonly dockerHost: string;
  readonly sharedNetwork: string;
  /** What must resolve and accept connections on the shared network: the first is Valkey, the second results. */
  readonly sharedNames: readonly SharedName[];
  /** The addresses from which jobs' subnets are cut: 10.201.0.0 with 16 bits. */
  readonly subnetRange: { readonly address: string; readonly bits: number };
  /** The prefix length of each job's subnet, such as 28. */
  readonly subnetBits: number;
  readonly images: FleetImages;
  /** Seals what a binding must keep secret, 32 bytes. */
  readonly maskKey: Buffer;
  /** Signs the execution tokens that sidecars verify. */
  readonly nodeKey: Pick<NodeKey, 'publicJwk'>;
  /** How many idle slots are kept for the next jobs. */
  readonly idleSlots: number;
  /** Credentials of registries, as `docker login` writes them. */
  readonly registryAuthFile?: string | undefined;
  /** The prefix of the fleet's keys in Valkey. */
  readonly prefix: string;
  /** Where sidecars find Valkey and results. Default: the first two of `sharedNames`. */
  readonly valkeyUrl?: string;
  readonly resultsUrl?: string;
  /** Private addresses that jobs with egress may reach all the same. */
  readonly egressAllowPrivate: readonly string[];
  /** The shared services that jobs may name. */
  readonly services: readonly PlacedService[];
  /** Docker keeps at least this much of a job's output until it is acknowledged. */
  readonly logMaxBytes: number;
  readonly logger: Pick<Logger, 'debug' | 'info' | 'warn'>;
  readonly limits?: Partial<Limits>;
  /** Told of every call of the daemon. */
  readonly onCall?: CallObserver;
}

/** How long things may take, in milliseconds. */
export interface Limits {
  /** Any one call to the daemon that is not said to take longer. */
  readonly callMs: number;
  /** From a sidecar's start until it is bound to its attempt. */
  readonly sidecarReadyMs: number;
  readonly pullMs: number;
  /** A release, with all its retries. */
  readonly releaseMs: number;
  /** How long a job waits for a slot whose job has ended; making one takes longer. */
  readonly slotComesBackMs: number;
  /** How long a proof that the shared network works is believed. */
  readonly probeCacheMs: number;
  /** How often a running container is inspected although nothing was heard of it. */
  readonly inspectEveryMs: number;
  /** How often the sidecar of a running job is asked how it is, and how long it may take to say so. */
  readonly sidecarAskMs: number;
  readonly sidecarAnswerMs: number;
}

export const DEFAULT_LIMITS: Limits = Object.freeze({
  callMs: 30_000,
  sidecarReadyMs: 30_000,
  pullMs: 600_000,
  releaseMs: 60_000,
  slotComesBackMs: 500,
  probeCacheMs: 30_000,
  inspectEveryMs: 15_000,
  // Noticed and started again before a helper's request, of 30 s, has run out.
  sidecarAskMs: 5000,
  sidecarAnswerMs: 8000,
});
