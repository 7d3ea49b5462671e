import { LABEL, type Role, TOOLKIT_SOURCE } from '@cronium/contracts';
import { removeContainer, short, startContainer } from '../containers.ts';
import type { DockerClient } from '../docker.ts';
import { HARDENED } from '../job-container.ts';
import { SandboxError } from '../runtime.ts';

const GIVE_MS = 30_000;
const MIB = 1024 * 1024;

/** A sidecar that runs, and the addresses that it is to have beside its own. */
export interface GiveAddresses {
  readonly sidecarId: string;
  readonly imageId: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Its own, on the job's network. */
  readonly own: string;
  readonly further: readonly string[];
}

/**
 * Gives a running sidecar further addresses on the job's network. Docker gives a container one for each network, and the
 * sidecar has no right to take more: a container of the same image that has this one right does it in the sidecar's
 * network namespace, and is gone after that. When the sidecar is started again, it needs them again.
 * @throws SandboxError `sidecar` when it cannot
 */
export async function giveAddresses(client: DockerClient, give: GiveAddresses): Promise<void> {
  if (give.further.length === 0) return;
  const what = `the addresses ${give.further.join(', ')} of sidecar ${short(give.sidecarId)}`;
  const { Id: id } = await client.call<{ Id: string }>({
    operation: `create a container for ${what}`,
    method: 'POST',
    path: '/containers/create',
    body: options(give),
  });
  try {
    await startContainer(client, id);
    const { StatusCode } = await client.call<{ StatusCode: number }>({
      operation: `wait for ${what}`,
      method: 'POST',
      path: `/containers/${id}/wait`,
      timeoutMs: GIVE_MS,
    });
    if (StatusCode === 0) return;
    const advice = 'let jobs see another port of some services (name:port=host:port in CRONIUM_SERVICES)';
    throw new SandboxError('sidecar', `${what} could not be given (exit code ${StatusCode}): ${advice}`);
  } finally {
    await removeContainer(client, id);
  }
}

function options({ sidecarId, imageId, labels, own, further }: GiveAddresses) {
  return {
    Image: imageId,
    User: '0:0',
    Labels: { ...labels, [LABEL.role]: 'probe' satisfies Role, [LABEL.createdAt]: String(Date.now()) },
    Entrypoint: [`${TOOLKIT_SOURCE}/busybox`, 'sh', '-c', PROGRAM, 'addresses'],
    Cmd: [own, ...further],
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      ...HARDENED,
      CapAdd: ['NET_ADMIN'],
      NetworkMode: `container:${sidecarId}`,
      Memory: 32 * MIB,
      MemorySwap: 32 * MIB,
      PidsLimit: 32,
      LogConfig: { Type: 'none', Config: {} },
    },
  };
}

/** A line of `ip -o addr`: `7: eth1    inet 10.201.0.2/28 brd …`. */
const PROGRAM = `
b=${TOOLKIT_SOURCE}/busybox; own=$1; shift
"$b" ip -o addr | while read -r _ device _ address _; do
  case $address in "$own"/*)
    for further; do "$b" ip addr replace "$further/32" dev "$device" || exit 1; done; exit 3;;
  esac
done
[ $? -eq 3 ]`;
