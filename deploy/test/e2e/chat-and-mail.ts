import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';

/** A mail server, webhooks of a chat, and pages for http jobs, on this machine. */
export interface OtherSide extends AsyncDisposable {
  readonly mailPort: number;
  readonly webPort: number;
}

/** @param host where the web server listens: an address that job containers' proxies reach */
export async function startOtherSide({ host, port }: { host: string; port: number }): Promise<OtherSide> {
  const mail = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    onData: (stream, _session, done) => void stream.resume().once('end', () => done()),
  });
  const web = createServer((request, response) => {
    if (request.url === '/echo') request.pipe(response);
    else request.resume().once('end', () => response.end('ok'));
  });
  await Promise.all([
    once(mail.listen(0, '127.0.0.1'), 'listening'),
    once(web.listen(port, host), 'listening'),
  ]);
  return {
    mailPort: portOf(mail.server),
    webPort: portOf(web),
    async [Symbol.asyncDispose]() {
      web.closeAllConnections();
      await Promise.all([new Promise<void>((done) => mail.close(done)), closed(web)]);
    },
  };
}

const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port;
const closed = (server: Server) => new Promise<void>((done) => server.close(() => done()));
