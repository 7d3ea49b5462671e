import { type ControlMessage, controlMessage, type Keys, readRecord } from '@cronium/contracts';
import type { Redis } from 'ioredis';

export interface ControlListener {
  onMessage(message: ControlMessage): void;
  onQueuesChanged(): void;
  /** The connection is (again) up: messages may have been missed. */
  onConnected(): void;
  onError(error: unknown): void;
}

/** A listener that asks nothing would never notice that nobody speaks to it any more. */
const PING_MS = 3000;

/** Listens to the fleet's channels. Messages are hints; what they are about stands in keys. */
export function listen(subscriber: Redis, keys: Keys, listener: ControlListener): void {
  subscriber.on('message', (channel: string, text: string) => {
    if (channel === keys.queuesChanged) return listener.onQueuesChanged();
    const message = readRecord(controlMessage, text);
    if (message !== undefined) listener.onMessage(message);
    else listener.onError(new Error(`a control message cannot be read: ${text.slice(0, 200)}`));
  });
  const subscribe = () => {
    subscriber
      .subscribe(keys.control, keys.queuesChanged)
      .then(() => listener.onConnected(), listener.onError);
  };
  subscriber.on('ready', subscribe);
  const pings = setInterval(() => {
    // An unanswered one breaks the connection, which says so itself.
    if (subscriber.status === 'ready') subscriber.ping().catch(() => undefined);
  }, PING_MS).unref();
  subscriber.once('end', () => clearInterval(pings));
  if (subscriber.status === 'ready') subscribe();
}
