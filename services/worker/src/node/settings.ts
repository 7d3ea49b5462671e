import { join } from 'node:path';
import type { WorkerConfig } from '@cronium/config';
import type { ServiceView } from '@cronium/contracts';
import type { AttemptLimits } from '../attempt/deps.ts';
import type { DockerRuntimeOptions } from '../sandbox/options.ts';

/** A sidecar, a holder, a shell that waits, and the shims of the three. */
const IDLE_SLOT_BYTES = 64 * 2 ** 20;

/** What a worker node is configured to do. */
export interface NodeSettings {
  readonly node: string;
  readonly version: string;
  readonly prefix: string;
  readonly pools: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** The shared services that jobs may name, as jobs see them. */
  readonly services: readonly ServiceView[];
  readonly slots: number;
  readonly lockMs: number;
  readonly stalledCheckMs: number;
  /** Ended attempts that may wait for results before the node claims no more. */
  readonly backlogMax: number;
  readonly stateDir: string;
  /** Below this much free disk the node takes no jobs; 0 does not look. */
  readonly diskMinFreeBytes: number;
  /** How long running attempts may take to end when the process stops. */
  readonly drainMs: number;
  readonly limits: AttemptLimits;
}

export function nodeSettings(config: WorkerConfig, version: string): NodeSettings {
  return {
    node: config.CRONIUM_NODE,
    version,
    prefix: config.CRONIUM_PREFIX,
    pools: config.CRONIUM_POOLS,
    labels: config.CRONIUM_NODE_LABELS,
    services: config.CRONIUM_SERVICES.map(({ name, ports }) => ({
      name,
      ports: ports.map(({ port }) => port),
    })),
    slots: config.CRONIUM_SLOTS,
    lockMs: config.CRONIUM_LOCK_SECONDS * 1000,
    stalledCheckMs: config.CRONIUM_STALLED_CHECK_SECONDS * 1000,
    backlogMax: config.CRONIUM_BACKLOG_MAX,
    stateDir: config.CRONIUM_STATE_DIR,
    diskMinFreeBytes: config.CRONIUM_DISK_MIN_FREE_BYTES,
    // What comes after the jobs (reports, hand-over, closing) needs its part of the whole time.
    drainMs: Math.min(config.CRONIUM_DRAIN_SECONDS, config.CRONIUM_SHUTDOWN_SECONDS * 0.75) * 1000,
    limits: {
      setupTimeoutMs: config.CRONIUM_SETUP_TIMEOUT_SECONDS * 1000,
      freezeMs: config.CRONIUM_FREEZE_SECONDS * 1000,
      stopGraceMs: config.CRONIUM_STOP_GRACE_SECONDS * 1000,
      logMaxBytes: config.CRONIUM_LOG_MAX_BYTES,
      spoolFolder: join(config.CRONIUM_STATE_DIR, 'spool'),
    },
  };
}

export function dockerSettings(
  config: WorkerConfig,
): Omit<DockerRuntimeOptions, 'logger' | 'maskKey' | 'nodeKey'> {
  return {
    node: config.CRONIUM_NODE,
    dockerHost: config.DOCKER_HOST,
    sharedNetwork: config.CRONIUM_SHARED_NETWORK,
    sharedNames: config.CRONIUM_SHARED_NAMES,
    subnetRange: config.CRONIUM_SUBNET_RANGE,
    subnetBits: config.CRONIUM_SUBNET_SIZE,
    images: {
      runtime: config.CRONIUM_RUNTIME_IMAGE,
      bash: config.CRONIUM_BASH_IMAGE,
      python: config.CRONIUM_PYTHON_IMAGE,
      node: config.CRONIUM_NODE_IMAGE,
    },
    registryAuthFile: config.CRONIUM_REGISTRY_AUTH_FILE,
    prefix: config.CRONIUM_PREFIX,
    valkeyUrl: sidecarValkeyUrl(config),
    egressAllowPrivate: config.CRONIUM_EGRESS_ALLOW_PRIVATE,
    services: config.CRONIUM_SERVICES,
    logMaxBytes: config.CRONIUM_LOG_MAX_BYTES,
    idleSlots: Math.min(config.CRONIUM_SLOTS, Math.floor(config.CRONIUM_WARM_MEMORY / IDLE_SLOT_BYTES)),
  };
}

/** Sidecars reach Valkey by its shared name; as the user meant for them, else as this worker does. */
function sidecarValkeyUrl(config: WorkerConfig): string {
  if (config.CRONIUM_SIDECAR_VALKEY_URL !== undefined) return config.CRONIUM_SIDECAR_VALKEY_URL;
  const url = new URL(config.CRONIUM_VALKEY_URL);
  const [valkey] = config.CRONIUM_SHARED_NAMES;
  if (valkey !== undefined) [url.hostname, url.port] = [valkey.host, String(valkey.port)];
  return url.href;
}
