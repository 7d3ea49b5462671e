import { type Keys, type NodeRecord, nodeRecord, readRecord } from '@cronium/contracts';
import type { Redis } from 'ioredis';

/** A node that was not heard of for so long counts as gone. */
const GONE_AFTER_MS = 30_000;
/** After so long it is not listed any more. */
const FORGOTTEN_AFTER_MS = 7 * 86_400_000;

/** A node as the fleet sees it now. */
export interface KnownNode extends Omit<NodeRecord, 'state'> {
  readonly state: NodeRecord['state'] | 'gone';
  /** An operator wants it to take nothing new. */
  readonly drained: boolean;
}

/** Every node that was heard of lately, by name. */
export async function knownNodes(valkey: Redis, keys: Keys, nowMs = Date.now()): Promise<KnownNode[]> {
  const [records, drains] = await Promise.all([valkey.hvals(keys.nodes), valkey.hkeys(keys.drains)]);
  const drained = new Set(drains);
  return records
    .flatMap((text) => readRecord(nodeRecord, text) ?? [])
    .filter(({ seenAt }) => nowMs - seenAt < FORGOTTEN_AFTER_MS)
    .map((record) => ({
      ...record,
      state:
        nowMs - record.seenAt > GONE_AFTER_MS && record.state !== 'stopped'
          ? ('gone' as const)
          : record.state,
      drained: drained.has(record.node),
    }))
    .sort((a, b) => (a.node < b.node ? -1 : 1));
}
