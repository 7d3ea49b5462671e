import type { DockerSandbox } from '../docker-sandbox.ts';
import type { PreparationObserver, SandboxRequest } from '../runtime.ts';
import { openedServices } from '../services.ts';
import { type OccupyTools, occupy, sendAhead } from '../slot/occupy.ts';
import type { WarmSandbox } from './warm-pool.ts';

/**
 * Gives a container that waits, and its slot, to an attempt. All that is left to do is to bind the sidecar.
 * @throws SandboxError `sidecar` when it does not take the attempt; the signal's reason
 */
export async function startWarm(
  tools: OccupyTools,
  { request, warm, observer, signal }: WarmStart,
): Promise<DockerSandbox> {
  const { slot, network, image, live } = warm;
  observer.begin('network');
  observer.end('network', { subnet: network.cidr, slot: slot.id, recycled: slot.uses > 0 });
  observer.begin('image');
  observer.end('image', { reference: image.reference, id: image.id });
  observer.begin('sidecar');
  const program = sendAhead(live, request, image);
  await slot.bind(request, signal);
  observer.end('sidecar', openedServices(request.spec));
  observer.begin('start');
  observer.end('start', { start: 'warm' });
  signal.throwIfAborted();
  return occupy(tools, request, { ...warm, program, isUnnamed: true });
}

export interface WarmStart {
  readonly request: SandboxRequest;
  readonly warm: WarmSandbox;
  readonly observer: PreparationObserver;
  readonly signal: AbortSignal;
}
