import Docker from 'dockerode';
import type { BootstrapContext } from './context.ts';

/** A Docker engine that answers. */
export interface DockerEngine {
  /** As DOCKER_HOST wants it, for example `unix:///var/run/docker.sock`. */
  readonly host: string;
  /** True when this call started the daemon. It is left running, like a service. */
  readonly startedByUs: boolean;
  readonly pid: number | undefined;
}

export declare function ensureDocker(context: BootstrapContext, signal?: AbortSignal): Promise<DockerEngine>;
export declare function dockerClient(host: string): Docker;
