import { randomBytes } from 'node:crypto';
import { jobContainerName } from '@cronium/contracts';
import { renameContainer } from '../containers.ts';
import type { DaemonRun } from '../daemon-epoch.ts';
import { DockerSandbox } from '../docker-sandbox.ts';
import { type EntryProgram, entryProgram } from '../entry-program.ts';
import type { ImageFacts } from '../images.ts';
import { jobProgram } from '../job-program.ts';
import type { JobTools } from '../job-start.ts';
import type { LiveOutput } from '../log/live.ts';
import { type SandboxBinding, SandboxError, type SandboxRequest } from '../runtime.ts';
import { bindingOf } from './binding.ts';
import { Naming } from './naming.ts';
import type { SlotNetwork } from './network.ts';
import { dutyOf } from './sidecar.ts';
import type { Slot } from './slot.ts';
import type { SlotPool } from './slots.ts';

/** A slot that is bound to an attempt, and the started job container in it. */
export interface Occupied {
  readonly slot: Slot;
  readonly network: SlotNetwork;
  readonly holderId: string;
  readonly sidecarId: string;
  readonly containerId: string;
  readonly image: ImageFacts;
  readonly live: LiveOutput;
  readonly startedIn: DaemonRun | undefined;
  /** What the container was sent all of but the word to begin. */
  readonly program: SentProgram;
  /** The container was made before there was a job: it has the slot's name. */
  readonly isUnnamed: boolean;
}

export interface SentProgram extends Pick<EntryProgram, 'go'> {
  /** Begins its phase markers. */
  readonly nonce: string;
}

/**
 * Sends a container that waits all of the attempt's program but the word to begin.
 * @throws SandboxError when the job has something that no program can be given
 */
export function sendAhead(live: LiveOutput, request: SandboxRequest, image: ImageFacts): SentProgram {
  const nonce = randomBytes(16).toString('hex');
  const { ahead, go } = programOf(request, image, nonce);
  live.sendAhead(ahead);
  return { nonce, go };
}

function programOf(request: SandboxRequest, image: ImageFacts, nonce: string): EntryProgram {
  try {
    return entryProgram(jobProgram(request, image, nonce));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new SandboxError('docker', `${request.attemptId} has no program: ${error.message}`, {
      cause: error,
    });
  }
}

export interface OccupyTools extends JobTools {
  readonly slots: SlotPool;
  /** An attempt's container is gone from its slot. */
  leave(binding: SandboxBinding, slot: Slot): Promise<void>;
}

/** The sandbox of an attempt, when all that belongs to it stands. */
export function occupy(tools: OccupyTools, request: SandboxRequest, parts: Occupied): DockerSandbox {
  const { slot, live, startedIn } = parts;
  const { nonce, go } = parts.program;
  const binding = bindingOf(tools.options, request, { nonce, parts });
  const naming = new Naming(() => rename(tools, binding, parts));
  return new DockerSandbox(tools.context, binding, {
    duty: { ...dutyOf(binding, request, tools.options), line: slot.line },
    fresh: { live, go },
    startedIn,
    onLaunched: () => naming.begin(),
    onExited: () => tools.slots.comesBack(slot),
    // Docker lists a container for ever that is renamed while it is removed.
    settle: () => naming.end(),
    leave: () => tools.leave(binding, slot),
  });
}

async function rename(
  { context }: OccupyTools,
  { jobId, containerId }: SandboxBinding,
  { slot, isUnnamed }: Occupied,
): Promise<void> {
  if (isUnnamed) await renameContainer(context.client, containerId, jobContainerName(jobId));
  slot.nameFor(jobId);
}
