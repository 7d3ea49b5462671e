import { TOOLKIT_PATH } from '@cronium/contracts';
import type { ContainerCreateOptions } from 'dockerode';
import { BOOT_ENTRYPOINT, RUN_PATH } from './entry-program.ts';
import type { ImageFacts } from './images.ts';
import { WORKSPACE } from './job-environment.ts';
import { runsInWorkspace } from './job-program.ts';
import { INIT_ENVIRONMENT } from './log/init-report.ts';
import type { SandboxRequest } from './runtime.ts';

/** Jobs and sidecars run as this user, whatever their image says. */
export const JOB_USER = '1000:1000';
const MIB = 1024 * 1024;
/** Scripts, a big request, a big environment. */
const RUN_BYTES = 8 * MIB;
const SHM_MIB = 64;
/** A daemon may not be allowed to give more than it has itself; this much every one has. */
const OPEN_FILES = 4096;
/** Under pressure the kernel shall take jobs before the daemon and the fleet. */
const OOM_SCORE = 500;
const SPOOL_FILES = 5;
/** As Docker itself does for NanoCpus. */
const CPU_PERIOD_US = 100_000;

export interface JobContainerInput {
  readonly request: Pick<SandboxRequest, 'spec'>;
  readonly image: ImageFacts;
  readonly labels: Readonly<Record<string, string>>;
  /** The container whose network namespace the job joins, and with it its names and addresses. */
  readonly holderId: string;
  readonly toolkitVolume: string;
  readonly logMaxBytes: number;
}

/**
 * What a job container is created with. Nothing of the job's environment, scripts or tokens is here: they go in through
 * stdin, so `docker inspect` shows none of them.
 */
export function jobContainerOptions(input: JobContainerInput): ContainerCreateOptions {
  const { request, image } = input;
  return {
    Image: image.id,
    User: JOB_USER,
    Labels: { ...input.labels },
    // For the init alone: the job's programs get an environment of their own.
    Env: [INIT_ENVIRONMENT],
    Entrypoint: [...BOOT_ENTRYPOINT],
    Cmd: [],
    WorkingDir: runsInWorkspace(request.spec) ? WORKSPACE : image.workingDir || '/',
    Healthcheck: { Test: ['NONE'] },
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    OpenStdin: true,
    // A worker that dies before it sent the program closes stdin: the container then ends by itself.
    StdinOnce: true,
    Tty: false,
    HostConfig: { ...isolation(input), ...limits(input), LogConfig: spool(input.logMaxBytes) },
  };
}

type HostConfig = NonNullable<ContainerCreateOptions['HostConfig']>;

/** What every container of the fleet gets. */
export const HARDENED: HostConfig = Object.freeze({
  Privileged: false,
  ReadonlyRootfs: true,
  CapDrop: ['ALL'],
  SecurityOpt: ['no-new-privileges'],
  IpcMode: 'private',
  RestartPolicy: { Name: 'no' },
});

/** For a container with a network namespace of its own. */
export const NO_FORWARDING = { 'net.ipv4.ip_forward': '0' } as const;

function isolation({ image, holderId, request, toolkitVolume }: JobContainerInput): HostConfig {
  const { diskMiB } = request.spec.resources;
  // Docker gives a tmpfs the mode of the image's folder, so what makes it the job's is its owner.
  const writable = new Set(['/tmp', WORKSPACE, ...image.volumes]);
  const tmpfs = [...writable].map((path) => [
    path,
    `rw,exec,nosuid,nodev,uid=1000,gid=1000,mode=1777,size=${diskMiB}m`,
  ]);
  return {
    ...HARDENED,
    // The kernel spares PID 1 from signals that it does not handle: without an init, SIGTERM would do nothing to most
    // programs, and one that kills itself would go on.
    Init: true,
    NetworkMode: `container:${holderId}`,
    Mounts: [
      {
        Type: 'volume',
        Source: toolkitVolume,
        Target: TOOLKIT_PATH,
        ReadOnly: true,
        VolumeOptions: { NoCopy: true, Labels: {}, DriverConfig: { Name: 'local', Options: {} } },
      },
    ],
    Tmpfs: {
      ...Object.fromEntries(tmpfs),
      [RUN_PATH]: `rw,noexec,nosuid,nodev,uid=1000,gid=1000,mode=0700,size=${RUN_BYTES}`,
    },
    ShmSize: Math.min(SHM_MIB, diskMiB) * MIB,
  };
}

function limits({ request }: JobContainerInput): HostConfig {
  const { cpus, memoryMiB, pids } = request.spec.resources;
  return {
    Memory: memoryMiB * MIB,
    MemorySwap: memoryMiB * MIB,
    // Docker refuses NanoCpus beyond what the machine has, but a limit that is out of reach is no reason to refuse a job.
    CpuPeriod: CPU_PERIOD_US,
    CpuQuota: Math.round(cpus * CPU_PERIOD_US),
    PidsLimit: pids,
    OomScoreAdj: OOM_SCORE,
    Ulimits: [
      { Name: 'nofile', Soft: OPEN_FILES, Hard: OPEN_FILES },
      { Name: 'core', Soft: 0, Hard: 0 },
    ],
  };
}

/**
 * Docker's own log is the spool from which a log is completed after a crash of the worker. The driver is `local`, not
 * `json-file`: the latter replaces what is not UTF-8, also a character that stands across two of its 16 KiB pieces.
 */
function spool(maxBytes: number): HostConfig['LogConfig'] {
  const fileBytes = Math.max(MIB, Math.ceil(maxBytes / (SPOOL_FILES - 1)));
  return {
    Type: 'local',
    Config: { 'max-size': `${fileBytes}b`, 'max-file': String(SPOOL_FILES), compress: 'false' },
  };
}
