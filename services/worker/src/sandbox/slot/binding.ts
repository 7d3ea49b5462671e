import { maskedValues, sealValues } from '../masked-values.ts';
import type { DockerRuntimeOptions } from '../options.ts';
import type { SandboxBinding, SandboxRequest } from '../runtime.ts';
import { serviceRoutes } from '../services.ts';
import type { Occupied } from './occupy.ts';

/** What an attempt is bound to. */
export type BoundParts = Pick<
  Occupied,
  'slot' | 'network' | 'holderId' | 'sidecarId' | 'containerId' | 'image'
>;

/** The binding of an attempt to a slot and to a container in it. */
export function bindingOf(
  { services: offered, maskKey }: DockerRuntimeOptions,
  { jobId, attempt, attemptId, secrets, spec }: SandboxRequest,
  { nonce, parts }: { readonly nonce: string; readonly parts: BoundParts },
): SandboxBinding {
  const { slot, network, holderId, sidecarId, containerId, image } = parts;
  const values = maskedValues(secrets);
  const services = serviceRoutes(spec, offered, network);
  return {
    ...{ jobId, attempt, attemptId, containerId, sidecarId, holderId, nonce },
    slot: slot.id,
    networkId: network.id,
    subnet: network.cidr,
    image: { reference: image.reference, id: image.id },
    ...(services.length > 0 && { services }),
    ...(values.length > 0 && { masked: sealValues(values, maskKey) }),
  };
}
