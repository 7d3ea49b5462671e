import { keysFor } from '@cronium/contracts';
import { BullQueue } from '../claim/bull-queue.ts';
import type { Connections } from './connections.ts';
import { listen } from './control.ts';
import type { FleetLink } from './fleet-link.ts';
import type { NodeSettings } from './settings.ts';
import { FleetStore } from './store.ts';

export interface ValkeyLinkOptions {
  readonly connections: Connections;
  readonly settings: Pick<NodeSettings, 'node' | 'prefix' | 'lockMs' | 'stalledCheckMs'>;
  /** Told when something is wrong with a queue's connection; it is made anew by itself. */
  onQueueError(error: unknown, queue: string): void;
}

/** The fleet as it is reached over Valkey. */
export function valkeyLink({ connections, settings, onQueueError }: ValkeyLinkOptions): FleetLink {
  const { queue: connection, commands, subscriber } = connections;
  const { prefix, lockMs, stalledCheckMs, node } = settings;
  const keys = keysFor(prefix);
  return {
    openQueue: (name) => {
      const onError = (error: unknown) => onQueueError(error, name);
      return new BullQueue({ name, prefix, connection, lockMs, stalledCheckMs, node, onError });
    },
    openStore: (options) => new FleetStore({ ...options, keys, prefix, commands }),
    listen: (listener) => listen(subscriber, keys, listener),
    onReachable: (callback) => void connection.on('ready', callback),
    reconnect: () => connection.disconnect(true),
  };
}
