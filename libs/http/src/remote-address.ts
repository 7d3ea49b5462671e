import { z } from 'zod';

const bindings = z.object({
  incoming: z.object({ socket: z.object({ remoteAddress: z.string() }) }),
});

/** The address at the other end of a request's connection, from the bindings of Hono's adapter for Node.js. */
export function remoteAddress(env: unknown): string | undefined {
  const address = bindings.safeParse(env).data?.incoming.socket.remoteAddress;
  return address?.replace(/^::ffff:(?=\d+\.)/, '');
}
