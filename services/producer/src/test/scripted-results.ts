import { createServer } from 'node:http';
import { listen } from '@cronium/testing';
import { API_KEY } from './harness.ts';

/** What the producer asks of results, from a table: address -> answer. Others are not found. */
export async function scriptedResults(
  answers: Readonly<Record<string, unknown>>,
): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((request, response) => {
    if (request.headers.authorization !== `Bearer ${API_KEY}`) return void response.writeHead(401).end();
    const answer = answers[request.url ?? ''];
    response
      .writeHead(answer === undefined ? 404 : 200)
      .end(typeof answer === 'string' ? answer : JSON.stringify(answer ?? {}));
  });
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () => new Promise<void>((closed) => void server.close(() => closed())),
  };
}
