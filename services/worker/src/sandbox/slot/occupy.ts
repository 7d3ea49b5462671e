import { randomBytes } from 'node:crypto';
import { jobContainerName } from '@cronium/contracts';
import { renameContainer } from '../containers.ts';
import type { DaemonRun } from '../daemon-epoch.ts';
import { DockerSandbox } from '../docker-sandbox.ts';
import type { ImageFacts } from '../images.ts';
import { jobProgram } from '../job-program.ts';
import type { JobTools } from '../job-start.ts';
import type { LiveOutput } from '../log/live.ts';
import type { SandboxBinding, SandboxRequest } from '../runtime.ts';
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
  /** The container was made before there was a job: it has the slot's name. */
  readonly isUnnamed: boolean;
}

export interface OccupyTools extends JobTools {
  readonly slots: SlotPool;
  /** An attempt's container is gone from its slot. */
  leave(binding: SandboxBinding, slot: Slot): Promise<void>;
}

/** The sandbox of an attempt, when all that belongs to it stands. */
export function occupy(tools: OccupyTools, request: SandboxRequest, parts: Occupied): DockerSandbox {
  const { slot, image, live, startedIn } = parts;
  const binding = bindingOf(tools.options, request, { nonce: randomBytes(16).toString('hex'), parts });
  const naming = new Naming(() => rename(tools, binding, parts));
  return new DockerSandbox(tools.context, binding, {
    duty: { ...dutyOf(binding, request, tools.options), line: slot.line },
    fresh: { live, plan: jobProgram(request, image, binding.nonce) },
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
