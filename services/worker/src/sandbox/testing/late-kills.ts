import type { Socket } from 'node:net';
import { Relay } from './relay.ts';

/** A Docker daemon that tells of the kills of one container after its end, though they came before it. */
export interface LateKills extends AsyncDisposable {
  readonly dockerHost: string;
  /** How many are held back. */
  readonly held: number;
  /** Begins to hold back the kills of this container. */
  holdOf(containerId: string): void;
}

/** @param options.breaks the stream breaks after the end was told, and what was held back is told when it is opened anew */
export async function lateKills(
  dockerHost: string,
  { breaks }: { readonly breaks: boolean },
): Promise<LateKills> {
  let containerId: string | undefined;
  const held: string[] = [];

  const pass = (event: string, client: Socket) => {
    const isOurs = containerId !== undefined && event.includes(containerId);
    if (isOurs && event.includes('"Action":"kill"')) return void held.push(event);
    client.write(event, 'latin1');
    if (!isOurs || !event.includes('"Action":"die"')) return;
    containerId = undefined;
    if (breaks) client.end();
    else for (const late of held) client.write(late, 'latin1');
  };

  const relay = await Relay.start(dockerHost, (client, daemon) => {
    let listens = false;
    let rest = '';
    return {
      onRequest(data) {
        listens ||= data.toString('latin1', 0, 100).startsWith('GET /events');
        daemon.write(data);
      },
      onReply(data) {
        if (!listens) return void client.write(data);
        // Each event is a chunk of its own.
        const pieces = (rest + data.toString('latin1')).split(/(?<=\}\n\r\n|\r\n\r\n)/);
        rest = pieces.at(-1)?.endsWith('\r\n') ? '' : (pieces.pop() ?? '');
        for (const piece of pieces) pass(piece, client);
      },
    };
  });
  return {
    dockerHost: relay.dockerHost,
    get held() {
      return held.length;
    },
    holdOf: (id) => {
      containerId = id;
    },
    [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose](),
  };
}
