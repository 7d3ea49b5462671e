import { createNodeKey, keysFor, type NodeKey, type NodeRecord } from '@cronium/contracts';
import { Redis } from 'ioredis';

/** Publishes a new node's key, as its heartbeat does: what the key signs is then taken by results. */
export async function joinFleet(valkeyUrl: string, node: string): Promise<NodeKey> {
  const key = await createNodeKey();
  const valkey = new Redis(valkeyUrl);
  const now = Date.now();
  const record: NodeRecord = {
    node,
    version: '0.1.0',
    pools: ['default'],
    labels: {},
    slots: 100,
    busy: 100,
    state: 'ready',
    reasons: [],
    images: [],
    keys: [key.publicJwk as NodeRecord['keys'][number]],
    startedAt: now,
    seenAt: now,
  };
  await valkey.hset(keysFor('{cronium}').nodes, node, JSON.stringify(record));
  valkey.disconnect();
  return key;
}
