import { pause, repeat, waitFor } from '@cronium/lifecycle';
import type { JobQueue } from '../../../services/worker/src/claim/queue.ts';
import { StalledWatch } from '../../../services/worker/src/claim/stalled.ts';
import type { FleetLink, NodeStore } from '../../../services/worker/src/node/fleet-link.ts';
import type { NodeSettings } from '../../../services/worker/src/node/settings.ts';
import type { SimulatedValkey } from './valkey.ts';
import type { SimProcess, VirtualTime } from './virtual-time.ts';
import type { Wire } from './wire.ts';

export interface SimulatedLinkOptions {
  readonly valkey: SimulatedValkey;
  readonly wire: Wire;
  readonly process: SimProcess;
  readonly time: VirtualTime;
  readonly settings: Pick<NodeSettings, 'lockMs' | 'stalledCheckMs'>;
}

/** A node's way to a simulated Valkey; waits and fails as the real one does. */
export function simulatedLink(options: SimulatedLinkOptions): FleetLink {
  const { valkey, wire, process, time } = options;
  const broken = new Set<() => void>();
  wire.onDown = () => {
    for (const callback of broken) process.enter(() => time.inside(process, callback));
  };
  return {
    openQueue: (name) => simulatedJobQueue(name, options, broken),
    openStore: () => simulatedStore(options),
    listen: (listener) => {
      valkey.subscribe((message) => {
        if (wire.reach === 'up') process.enter(() => time.inside(process, () => listener.onMessage(message)));
      });
      listener.onConnected();
    },
    onReachable: (callback) => {
      wire.onUp = () => process.enter(() => time.inside(process, callback));
    },
    // A silent wire stays silent, whoever connects anew.
    reconnect: () => undefined,
  };
}

function simulatedJobQueue(
  name: string,
  { valkey, wire, settings }: SimulatedLinkOptions,
  broken: Set<() => void>,
): JobQueue {
  const queue = valkey.queue(name);
  const { lockMs, stalledCheckMs } = settings;
  const patiently = <T>(act: () => T) => wire.ask(act, { patient: true });
  const connected = () => {
    if (wire.reach === 'cut') throw new Error('there is no connection to Valkey');
  };
  return {
    name,
    take: (token) => patiently(() => queue.take(token, lockMs)),
    extend: async (held) => {
      connected();
      return patiently(() => queue.extend(held, lockMs));
    },
    complete: (id, token) => patiently(() => queue.complete(id, token)),
    putBack: (id, token, delayMs, fields) => patiently(() => queue.putBack(id, token, delayMs, fields)),
    peek: (count) => patiently(() => queue.peek(count)),
    passOn: () => patiently(() => queue.wake()),
    waitForWork: (milliseconds) =>
      wire.await(async () => {
        const now = queue.nextAt();
        if (now !== undefined && now <= Date.now()) return now;
        const { promise, resolve } = Promise.withResolvers<number>();
        const forget = queue.onWake(() => resolve(queue.nextAt() ?? 0));
        const limitMs = Math.min(milliseconds, (now ?? Number.POSITIVE_INFINITY) - Date.now());
        const woken = await Promise.race([promise, pause(limitMs)]);
        forget();
        return typeof woken === 'number' ? woken : now;
      }),
    watchStalled: async (signal) => {
      const ping = async () => {
        connected();
        return patiently(() => 'PONG');
      };
      const moveStalled = () => patiently(() => queue.moveStalled(stalledCheckMs));
      const watch = new StalledWatch({ lockMs, ping, moveStalled });
      broken.add(() => watch.broken());
      const options = { everyMs: stalledCheckMs, signal, onError: () => undefined };
      await repeat(() => waitFor(watch.look(), signal), options);
    },
    close: async () => undefined,
  };
}

function simulatedStore({ valkey, wire }: SimulatedLinkOptions): NodeStore {
  const cancelRequests: NodeStore['cancelRequests'] = (jobs) =>
    wire.ask(() =>
      jobs.flatMap(({ jobId }) => {
        const request = valkey.cancels.get(jobId);
        return request === undefined ? [] : [{ jobId, request }];
      }),
    );
  return {
    ping: () => wire.ask(() => undefined),
    queues: () => wire.ask(() => Object.fromEntries(valkey.records)),
    pausedPools: () => wire.ask(() => new Set<string>()),
    isDrained: () => wire.ask(() => false),
    publishNode: () => wire.ask(() => true),
    nodeRecord: () => wire.ask(() => undefined),
    preTask: () => wire.ask(() => undefined),
    answerCensus: () => wire.ask(() => undefined),
    holdKey: ({ jobId }) => wire.ask(() => jobId),
    cancelRequests,
    cancelRequest: async (job) => (await cancelRequests([job]))[0]?.request,
    answer: () => wire.ask(() => undefined),
    revoke: () => undefined,
  };
}
