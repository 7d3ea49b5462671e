import { holderName, jobContainerName, LABEL, networkName, sidecarName } from '@cronium/contracts';
import type Docker from 'dockerode';

/** What stands in Docker for a running job. */
export interface StandingSandbox {
  readonly job: Docker.ContainerInspectInfo;
  readonly sidecar: Docker.ContainerInspectInfo;
  /** It has the network namespace that the job is in, and with it the job's addresses. */
  readonly holder: Docker.ContainerInspectInfo;
  readonly network: Docker.NetworkInspectInfo;
}

/** Inspects a running job's containers and its network, which it finds by the slot on the job's label. */
export async function inspectSandbox(docker: Docker, jobId: string): Promise<StandingSandbox> {
  const job = await docker.getContainer(jobContainerName(jobId)).inspect();
  const slot = job.Config.Labels[LABEL.slot] ?? '';
  const [sidecar, holder, network] = await Promise.all([
    docker.getContainer(sidecarName(jobId)).inspect(),
    docker.getContainer(holderName(slot)).inspect(),
    docker.getNetwork(networkName(slot)).inspect(),
  ]);
  return { job, sidecar, holder, network };
}
