import { TOOLKIT_BUSYBOX } from '@cronium/contracts';
import { short } from '../containers.ts';
import { type DockerClient, statusOf } from '../docker.ts';

/**
 * Sends SIGTERM to one process of a container, by its number there: a signal to the container would reach its supervisor
 * alone. A process or a container that is gone is fine, and so is one that has no room for another process: what does not
 * end is killed later.
 */
export async function terminate(client: DockerClient, containerId: string, pid: number): Promise<void> {
  const name = short(containerId);
  try {
    const { Id } = await client.call<{ Id: string }>({
      operation: `prepare SIGTERM for a process of container ${name}`,
      method: 'POST',
      path: `/containers/${containerId}/exec`,
      body: { Cmd: [TOOLKIT_BUSYBOX, 'kill', '-TERM', String(pid)] },
    });
    await client.call({
      operation: `send SIGTERM to a process of container ${name}`,
      method: 'POST',
      path: `/exec/${Id}/start`,
      body: { Detach: true },
    });
  } catch (error) {
    if (statusOf(error) === undefined) throw error;
  }
}
