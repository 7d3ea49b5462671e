import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { PortsTakenError } from '../fleet/ports.ts';
import { CHAT_PATH } from './credential.ts';

/** The demo's web server: http jobs call it. */
export interface WebServer extends AsyncDisposable {
  /** Method and path of each request, in their order. */
  readonly requests: readonly string[];
}

/** Listens on one address, so that only this machine's containers reach it. */
export async function startWebServer(address: {
  readonly host: string;
  readonly port: number;
}): Promise<WebServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    answer(request, response);
  });
  const listening = once(server, 'listening');
  server.listen(address.port, address.host);
  await listening.catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EADDRINUSE') throw new PortsTakenError([address.port]);
    throw error;
  });
  return {
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  if (request.url === '/hello') response.end('Hello from the host.\n');
  else if (request.url === '/echo') request.pipe(response);
  else if (request.url === CHAT_PATH) response.end('ok');
  else response.writeHead(404).end('No such page.\n');
}
