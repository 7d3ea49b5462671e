import { once } from 'node:events';
import { createServer } from 'node:http';

/** Counts what jobs do outside of their containers: one mark for each run of a program. */
export interface Effects extends AsyncDisposable {
  /** How often each attempt's program has run. */
  readonly marks: ReadonlyMap<string, number>;
}

/** Listens at an address that jobs may reach; a request's path is the attempt that makes the mark. */
export async function countEffects(address: {
  readonly host: string;
  readonly port: number;
}): Promise<Effects> {
  const marks = new Map<string, number>();
  const server = createServer((request, response) => {
    const attemptId = (request.url ?? '').split('/').at(-1) ?? '';
    marks.set(attemptId, (marks.get(attemptId) ?? 0) + 1);
    response.writeHead(204).end();
  });
  server.listen(address.port, address.host);
  await once(server, 'listening');
  return {
    marks,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
