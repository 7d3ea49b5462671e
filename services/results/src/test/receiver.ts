import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebhookEvent, webhookEvent } from '@cronium/contracts';

/** A request that a {@link Receiver} got. */
export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** @throws when the body is none */
  readonly event: WebhookEvent;
}

/** Somebody's server that webhooks are sent to. */
export interface Receiver extends AsyncDisposable {
  readonly url: string;
  readonly received: Received[];
  /** The status that it answers with; undefined: it does not answer. */
  status: number | undefined;
}

export async function openReceiver(status?: number, port = 0): Promise<Receiver> {
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString();
    receiver.received.push({
      headers: request.headers,
      body,
      get event() {
        return webhookEvent.parse(JSON.parse(body));
      },
    });
    if (receiver.status === undefined) return;
    response.writeHead(receiver.status, { location: '/elsewhere' }).end('x'.repeat(100_000));
  }).listen(port, '127.0.0.1');
  await once(server, 'listening');
  const receiver: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?a=b`,
    received: [],
    status,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return receiver;
}
