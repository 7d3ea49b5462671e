/** The labels on everything that the fleet creates in Docker. A label's value never changes after creation. */
export const LABEL = {
  managed: 'cronium.managed',
  node: 'cronium.node',
  role: 'cronium.role',
  slot: 'cronium.slot',
  job: 'cronium.job',
  attempt: 'cronium.attempt',
  /** Unix milliseconds at which the object was asked for; the reconciler's grace counts from here. */
  createdAt: 'cronium.created-at',
  /** The hash of all that an image was built from. */
  source: 'cronium.source',
} as const;

/** What a labelled object is for. */
export type Role = 'job' | 'runtime' | 'holder' | 'network' | 'toolkit' | 'probe';

/** The names of a container while it is a job's, or, with a slot's id, while it waits for one. */
export const sidecarName = (jobOrSlot: string): string => `cronium-runtime-${jobOrSlot}`;
export const jobContainerName = (jobOrSlot: string): string => `cronium-job-${jobOrSlot}`;
/** Docker can't rename a network, and nobody needs to find a holder by its job: both keep their slot's name. */
export const networkName = (slot: string): string => `cronium-job-${slot}`;
export const holderName = (slot: string): string => `cronium-holder-${slot}`;

/** The host name that a job sees: its network namespace serves one job after another, so it is nobody's own. */
export const JOB_HOST = 'job';

/** The sidecar's name and port as the job sees them. */
export const RUNTIME_HOST = 'runtime-api';
export const RUNTIME_PORT = 8081;
export const RUNTIME_URL = `http://${RUNTIME_HOST}:${RUNTIME_PORT}`;
/** The sidecar's forward proxy, for jobs with egress. */
export const EGRESS_PORT = 8082;

/** Where the toolkit volume is mounted in a job container, and what is in it: a shell, and what starts jobs. */
export const TOOLKIT_PATH = '/.cronium';
export const TOOLKIT_BUSYBOX = `${TOOLKIT_PATH}/busybox`;
export const TOOLKIT_ENTRY = `${TOOLKIT_PATH}/entry`;
/** The folder in the runtime-api image that Docker copies into the toolkit volume. */
export const TOOLKIT_SOURCE = '/toolkit';
