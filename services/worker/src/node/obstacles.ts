import type { Obstacle } from '../claim/gate.ts';
import type { SandboxRuntime } from '../sandbox/runtime.ts';
import type { Running } from './running.ts';

/** What the node's own load puts in the way of further claims. */
export function loadObstacles(
  running: Pick<Running, 'backlog' | 'unprepared'>,
  {
    runtime,
    backlogMax,
  }: { readonly runtime: Pick<SandboxRuntime, 'capacity'>; readonly backlogMax: number },
): Obstacle[] {
  const obstacles: Obstacle[] = [];
  if (running.backlog >= backlogMax) {
    const message = `${backlogMax} ended attempts wait for results; start it again, or raise CRONIUM_BACKLOG_MAX`;
    obstacles.push({ name: 'backlog', message });
  }
  if (runtime.capacity() <= running.unprepared) {
    const message = 'no subnet is free for another job; enlarge CRONIUM_SUBNET_RANGE, or lower CRONIUM_SLOTS';
    obstacles.push({ name: 'subnets', message });
  }
  return obstacles;
}
