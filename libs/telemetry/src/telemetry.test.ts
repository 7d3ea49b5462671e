import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { inSpan, startTelemetry, type Telemetry, tracesUrl, withParent } from './index.ts';

interface Received {
  readonly path: string;
  readonly body: string;
}

/** A collector that keeps what it gets, or never answers. */
async function collector(answers: boolean) {
  const received: Received[] = [];
  const server = createServer(async (request: IncomingMessage, response) => {
    const chunks = await request.toArray();
    received.push({ path: request.url ?? '', body: Buffer.concat(chunks).toString() });
    if (answers) response.end('{}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return { url: `http://127.0.0.1:${port}`, received, [Symbol.asyncDispose]: close };
}

let telemetry: Telemetry | undefined;
afterEach(() => telemetry?.stop());

const OWNER = { service: 'worker', version: '1.2.3', node: 'n1' };

describe('telemetry', () => {
  it('is off without a collector, and spans still run their function', async () => {
    telemetry = await startTelemetry(OWNER);
    expect(telemetry.exporting).toBe(false);
    expect(await inSpan('work', {}, async () => 7)).toBe(7);
  });

  it('sends spans with service, attributes, error and the remote parent', async () => {
    await using target = await collector(true);
    telemetry = await startTelemetry({ ...OWNER, endpoint: target.url });
    const parent = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', sampled: true };
    const failing = withParent(parent, () =>
      inSpan('claim', { 'cronium.job': 'job_1' }, async () => {
        throw new Error('no slot');
      }),
    );
    await expect(failing).rejects.toThrow('no slot');
    await telemetry.stop();
    expect(target.received.map(({ path }) => path)).toEqual(['/v1/traces']);
    const sent = JSON.parse(target.received[0]?.body ?? '{}');
    const { resource, scopeSpans } = sent.resourceSpans[0];
    expect(resource.attributes).toContainEqual({ key: 'service.name', value: { stringValue: 'worker' } });
    expect(scopeSpans[0].spans[0]).toMatchObject({
      name: 'claim',
      traceId: parent.traceId,
      parentSpanId: parent.spanId,
      status: { code: 2, message: 'no slot' },
    });
  });

  it('stops in bounded time when the collector does not answer, as often as asked', async () => {
    await using target = await collector(false);
    telemetry = await startTelemetry({ ...OWNER, tracesEndpoint: `${target.url}/custom` });
    await inSpan('work', {}, async () => undefined);
    await Promise.all([telemetry.stop({ timeoutMs: 50 }), telemetry.stop()]);
    await telemetry.stop();
  });

  it('finds the address for traces by the rules of OTLP', () => {
    expect(tracesUrl({})).toBeUndefined();
    expect(tracesUrl({ endpoint: 'http://c:4318/' })).toBe('http://c:4318/v1/traces');
    expect(tracesUrl({ endpoint: 'http://c', tracesEndpoint: 'http://d/x' })).toBe('http://d/x');
  });
});
