import type { ContainerEvidence } from '../runtime.ts';
import type { SidecarState } from '../sidecar-guard.ts';

/**
 * What was seen of a container in one job's turn: events before it are another job's. The kernel keeps a container's
 * memory peak over all of its turns, so there is none of one.
 */
export function evidenceSince(
  seen: Pick<ContainerEvidence, 'events' | 'kills'>,
  since: number,
  {
    oomKills,
    sidecarDied,
    sidecar,
  }: { readonly oomKills: number | undefined; readonly sidecarDied: boolean; readonly sidecar: SidecarState },
): ContainerEvidence {
  const events = seen.events.filter(({ at }) => at >= since);
  return {
    events,
    kills: seen.kills.filter(({ at }) => at >= since),
    oomEvents: events.filter(({ action }) => action === 'oom').length,
    oomKills,
    sidecarDied,
    sidecarRestarts: sidecar.restarts,
    sidecarIsDown: sidecar.isDown,
    memoryPeakBytes: undefined,
  };
}
