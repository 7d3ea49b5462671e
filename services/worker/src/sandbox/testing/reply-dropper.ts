import { Relay } from './relay.ts';

/** A Docker daemon of whose replies chosen ones get lost after it has done its work. */
export interface ReplyDropper extends AsyncDisposable {
  readonly dockerHost: string;
  /** How many replies were dropped. */
  readonly dropped: number;
}

/**
 * @param wanted the beginnings of request lines; the first reply to each is dropped
 * @param options `always`: every reply
 */
export async function dropReplies(
  dockerHost: string,
  wanted: readonly string[],
  { always = false }: { readonly always?: boolean } = {},
): Promise<ReplyDropper> {
  const left = new Set(wanted);
  let dropped = 0;
  const relay = await Relay.start(dockerHost, (client, daemon) => {
    let drops = false;
    return {
      onRequest(data) {
        const line = data.toString('latin1', 0, 100);
        const match = [...left].find((beginning) => line.startsWith(beginning));
        if (match !== undefined && !always) left.delete(match);
        drops ||= match !== undefined;
        daemon.write(data);
      },
      onReply(data) {
        if (!drops) return void client.write(data);
        dropped++;
        client.destroy();
        daemon.destroy();
      },
    };
  });
  return {
    dockerHost: relay.dockerHost,
    get dropped() {
      return dropped;
    },
    [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose](),
  };
}
