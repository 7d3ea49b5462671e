import type { Server } from 'node:http';
import { problemAnswer, type RefusedError } from './problems.ts';

/** What Node's parser refuses reaches no handler; it is answered as everything else is. */
export function refuseUnreadable(server: Server, refusal: RefusedError): void {
  server.on('clientError', (_, socket) => {
    if (socket.writable) socket.end(rawRefusal(refusal));
    else socket.destroy();
  });
}

/** A whole answer, head and body, for a connection that no request was read from. */
export function rawRefusal(error: RefusedError): string {
  const { status, headers = {}, body = '' } = problemAnswer(error);
  const all = { ...headers, 'content-length': String(Buffer.byteLength(String(body))), connection: 'close' };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Refused\r\n${lines.join('')}\r\n${body}`;
}
