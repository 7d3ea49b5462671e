import { Redis, type RedisOptions } from 'ioredis';

/** This process's connections to Valkey. Each queue adds one that is made like `queue`, for waits that block it. */
export interface Connections {
  /** For BullMQ: waits for Valkey as long as it takes. */
  readonly queue: Redis;
  /** For everything else: fails within seconds. */
  readonly commands: Redis;
  readonly subscriber: Redis;
  close(): void;
}

const CONNECT_TIMEOUT_MS = 5000;
/** A command that is not answered by then: the link is dead, whatever TCP thinks. */
const COMMAND_TIMEOUT_MS = 5000;
/**
 * Nothing that is asked takes longer to be answered: a socket that is silent for longer is dead and is made anew. Something
 * is asked every few seconds, so a half-open connection is noticed within ten.
 */
const SILENCE_MS = 6000;
/** The same where waits block, which take five seconds. */
const BLOCKING_SILENCE_MS = 9000;

/** Opens the connections; they connect in the background and again and again. */
export function connect(url: string, node: string, onError: (error: unknown) => void): Connections {
  const open = (
    role: string,
    options: Pick<RedisOptions, 'commandTimeout' | 'autoResubscribe' | 'socketTimeout'> = {},
  ) => {
    const redis = new Redis(url, {
      connectionName: `worker:${node}:${role}`,
      connectTimeout: CONNECT_TIMEOUT_MS,
      keepAlive: 5000,
      socketTimeout: SILENCE_MS,
      maxRetriesPerRequest: null,
      ...options,
    });
    redis.on('error', onError);
    return redis;
  };
  const queue = open('queue', { socketTimeout: BLOCKING_SILENCE_MS });
  const commands = open('commands', { commandTimeout: COMMAND_TIMEOUT_MS });
  const subscriber = open('subscriber', { autoResubscribe: false });
  return {
    queue,
    commands,
    subscriber,
    close: () => {
      for (const redis of [queue, commands, subscriber]) redis.disconnect();
    },
  };
}
