import type { NodeRecord } from '@cronium/contracts';
import type { WorkerNode, WorkerNodeParts } from './worker-node.ts';

/** The node as it describes itself to the fleet. */
export function nodeRecordOf(
  node: WorkerNode,
  { settings, nodeKey }: WorkerNodeParts,
  { state, startedAt }: { readonly state: 'stopped' | undefined; readonly startedAt: number },
): NodeRecord {
  const obstacles = node.obstacles();
  const isNamed = (...names: readonly string[]) => obstacles.some(({ name }) => names.includes(name));
  const draining = isNamed('drain', 'stop') ? 'draining' : undefined;
  const { kid, x } = nodeKey.publicJwk;
  const { facts } = node.upkeep;
  return {
    node: settings.node,
    version: settings.version,
    pools: [...settings.pools],
    labels: { ...settings.labels },
    slots: settings.slots,
    busy: node.slots.busy,
    state: state ?? draining ?? (isNamed('start', 'docker', 'disk', 'claiming') ? 'not_ready' : 'ready'),
    reasons: obstacles.map(({ message }) => message),
    ...(facts === undefined ? {} : { docker: facts.docker }),
    images: [...(facts?.images ?? [])],
    ...(settings.services.length > 0 && { services: [...settings.services] }),
    keys: [{ ...nodeKey.publicJwk, kty: 'OKP', crv: 'Ed25519', x: String(x), kid }],
    startedAt,
    seenAt: Date.now(),
  };
}
