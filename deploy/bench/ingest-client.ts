/**
 * A process that reports to results as a worker node does, over its internal API with the real codec: one request at a
 * time. What it sends is ready before its parent says `go` on its stdin; then it prints how long it took.
 */
import { once } from 'node:events';
import { newJobId, signNodeToken } from '@cronium/contracts';
import { joinFleet } from './bench-node.ts';
import { logRequests, outcomeRequests, type Request } from './ingest-load.ts';

const [what = '', node = '', requests = ''] = process.argv.slice(2);
const { BENCH_VALKEY_URL = '', BENCH_RESULTS_URL = '' } = process.env;

const key = await joinFleet(BENCH_VALKEY_URL, node);
const make = what === 'logs' ? logRequests : outcomeRequests;
const { before, timed } = make({ node, count: Number(requests), newJobId });
const token = await signNodeToken(key, node);
for (const request of before) await send(request);
process.stdout.write('ready\n');
await once(process.stdin, 'data');
const startedAt = performance.now();
for (const request of timed) await send(request);
process.stdout.write(`${JSON.stringify({ milliseconds: performance.now() - startedAt })}\n`);
process.exit();

async function send({ path, type, body }: Request): Promise<void> {
  const response = await fetch(`${BENCH_RESULTS_URL}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': type },
    body: new Uint8Array(body),
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${path} answered ${response.status}: ${text}`);
}
