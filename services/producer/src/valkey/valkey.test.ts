import { randomUUID } from 'node:crypto';
import { problem } from '@cronium/contracts';
import { createLogger } from '@cronium/telemetry';
import { eventually, privateValkey } from '@cronium/testing';
import type { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { JOB, startApp, submit, wireToValkey } from '../test/harness.ts';
import { checkValkey } from './checks.ts';
import { createValkey } from './connection.ts';

async function connected(url: string): Promise<AsyncDisposable & { readonly valkey: Redis }> {
  const valkey = createValkey(url);
  valkey.on('error', () => undefined);
  await valkey.connect();
  return { valkey, [Symbol.asyncDispose]: async () => valkey.disconnect() };
}

function collector() {
  const lines: string[] = [];
  return {
    lines,
    log: createLogger({ service: 'producer', destination: { write: (line) => void lines.push(line) } }),
  };
}

describe('the check at the start', () => {
  it.each([
    [
      'evicts',
      ['--maxmemory-policy', 'allkeys-lru', '--appendonly', 'yes'],
      /set maxmemory-policy noeviction$/,
    ],
    ['keeps nothing', ['--save', '', '--appendonly', 'no'], /set appendonly yes$/],
    ['does both', ['--maxmemory-policy', 'volatile-ttl', '--save', ''], /noeviction; .*appendonly yes$/],
  ])('refuses a Valkey that %s', async (_, settings, says) => {
    await using server = await privateValkey(...settings);
    await using client = await connected(server.url);
    await expect(checkValkey(client.valkey, collector().log)).rejects.toThrow(says);
  });

  it.each([
    ['snapshots', ['--save', '60 1000']],
    ['an append-only file', ['--save', '', '--appendonly', 'yes']],
  ])('takes a Valkey with %s', async (_, settings) => {
    await using server = await privateValkey(...settings);
    await using client = await connected(server.url);
    await checkValkey(client.valkey, collector().log);
  });

  it('warns where the settings may not be read', async () => {
    await using server = await privateValkey('--save', '');
    await using admin = await connected(server.url);
    await admin.valkey.acl('SETUSER', 'limited', 'on', '>password', '~*', '&*', '+@all', '-config');
    await using client = await connected(server.url.replace('//', '//limited:password@'));
    const { log, lines } = collector();
    await checkValkey(client.valkey, log);
    expect(lines.join()).toMatch(/maxmemory-policy is noeviction and appendonly is yes/);
  });
});

describe('with a replica that must have every job', () => {
  it('accepts when the replica has it, and answers 503 when it has not', async () => {
    await using primary = await privateValkey('--appendonly', 'yes');
    const { port } = new URL(primary.url);
    await using app = await startApp({ valkeyUrl: primary.url, replicas: 1 });
    expect((await app.post('/v1/jobs', JOB, { 'idempotency-key': 'k' })).status).toBe(503);
    await using replica = await privateValkey('--replicaof', `127.0.0.1 ${port}`);
    await using client = await connected(replica.url);
    const accepted = await eventually(
      async () => {
        const answer = await app.post('/v1/jobs', JOB, { 'idempotency-key': 'k' });
        return answer.status === 202 && answer;
      },
      { what: 'the replica follows', timeoutMs: 60_000 },
    );
    const { id } = (await accepted.json()) as { id: string };
    expect(await client.valkey.exists(`${app.prefix}:default:${id}`)).toBe(1);
  });
});

describe('while Valkey is away', () => {
  it('submits are refused at once, and taken again when it is back', async () => {
    await using wire = await wireToValkey();
    await using app = await startApp({ valkeyUrl: wire.url });
    await submit(app, JOB);
    wire.cut();
    const response = await eventually(
      async () => {
        const answer = await app.post('/v1/jobs', JOB);
        return answer.status === 503 && answer;
      },
      { what: 'the connection is gone' },
    );
    expect(response.headers.get('retry-after')).toBe('2');
    expect(problem.parse(await response.json()).detail).toMatch(/^Valkey does not answer/);
    expect((await app.lines([JOB])).status).toBe(503);
    expect((await app.post('/v1/jobs', '{"type":"nonsense"}')).status).toBe(422);
    wire.restore();
    await eventually(async () => (await app.post('/v1/jobs', JOB)).status === 202, {
      what: 'jobs are taken again',
    });
  });

  it('a connection that has fallen silent is given up', async () => {
    await using wire = await wireToValkey();
    await using app = await startApp({ valkeyUrl: wire.url });
    await submit(app, JOB);
    wire.freeze();
    expect((await app.post('/v1/jobs', JOB)).status).toBe(503);
    wire.restore();
    await eventually(async () => (await app.post('/v1/jobs', JOB)).status === 202, {
      what: 'jobs are taken again',
    });
  });

  it('a queue that nobody used before works afterwards', async () => {
    await using wire = await wireToValkey();
    await using app = await startApp({ valkeyUrl: wire.url });
    wire.cut();
    await eventually(async () => (await app.post('/v1/jobs', { ...JOB, pool: 'new' })).status === 503, {
      what: 'the connection is gone',
    });
    wire.restore();
    await eventually(async () => (await app.post('/v1/jobs', { ...JOB, pool: 'new' })).status === 202, {
      what: 'jobs are taken again',
    });
  });

  it('a batch in the middle keeps what was accepted, and says how much', async () => {
    await using wire = await wireToValkey();
    await using app = await startApp({ valkeyUrl: wire.url, limits: { chunkJobs: 1 } });
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (sent === 3)
          await eventually(async () => (await app.payloads()).size === 3, { what: 'three are in' });
        if (sent === 3) wire.cut();
        if (sent < 10) controller.enqueue(Buffer.from(`${JSON.stringify(JOB)}\n`));
        else controller.close();
        sent += 1;
      },
    });
    const response = await app.post('/v1/batches', body, { 'content-type': 'application/x-ndjson' });
    expect(response.status).toBe(503);
    expect(problem.parse(await response.json())).toMatchObject({
      accepted: 3,
      batchId: expect.stringMatching(/^batch_/),
    });
    wire.restore();
    await eventually(async () => (await app.payloads()).size === 3, { what: 'the three are there' });
  });
});

describe('a full Valkey', () => {
  it('is looked at while the job is still coming', async () => {
    await using server = await privateValkey('--save', '');
    await using app = await startApp({ valkeyUrl: server.url });
    await using client = await connected(server.url);
    const looks = async () =>
      Number(/^cmdstat_info:calls=(\d+)/m.exec(await client.valkey.info('commandstats'))?.[1] ?? 0);
    const before = await looks();
    // Each call here is one of them.
    let own = 0;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await eventually(async () => (await looks()) > before + ++own, { what: 'the room is looked at' });
        controller.enqueue(Buffer.from(JSON.stringify(JOB)));
        controller.close();
      },
    });
    expect((await app.post('/v1/jobs', body)).status).toBe(202);
  });

  it('is said to be full, and jobs are taken again when there is room', async () => {
    await using server = await privateValkey('--appendonly', 'yes', '--maxmemory-policy', 'noeviction');
    await using app = await startApp({ valkeyUrl: server.url });
    await submit(app, JOB);
    await app.valkey.config('SET', 'maxmemory', '1mb');
    const response = await app.post('/v1/jobs', JOB);
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '10']);
    expect(problem.parse(await response.json()).title).toBe('The queue is full');
    expect((await app.lines(Array(50).fill(JOB))).status).toBe(503);
    await app.valkey.config('SET', 'maxmemory', '0');
    expect((await app.post('/v1/jobs', JOB)).status).toBe(202);
  });

  it('refuses new jobs while there is room for the ends of those that were accepted', async () => {
    await using server = await privateValkey('--appendonly', 'yes', '--maxmemory-policy', 'noeviction');
    await using app = await startApp({ valkeyUrl: server.url });
    await submit(app, JOB);
    const accepted = await app.post('/v1/jobs', JOB, { 'idempotency-key': 'before' });
    const batch = { headers: { 'idempotency-key': 'batch before' } };
    expect((await app.lines([JOB, JOB], batch)).status).toBe(202);
    // So that what a few requests take for a moment is far less than the reserve.
    await app.valkey.setrange('ballast', 16 * 1024 * 1024, 'x');
    const used = Number(/^used_memory:(\d+)/m.exec(await app.valkey.info('memory'))?.[1]);
    await app.valkey.config('SET', 'maxmemory', Math.ceil(used * 1.06));
    const refused = await eventually(
      async () => {
        // One that was taken would be a repeat.
        const answer = await app.post('/v1/jobs', JOB, { 'idempotency-key': randomUUID() });
        return answer.status === 503 && answer;
      },
      { what: 'no more jobs are taken' },
    );
    expect(problem.parse(await refused.json()).title).toBe('The queue is full');
    const keys = await app.valkey.dbsize();
    expect((await app.lines(Array(50).fill(JOB), { headers: { 'idempotency-key': 'b' } })).status).toBe(503);
    expect((await app.post('/v1/jobs', JOB)).status).toBe(503);
    expect(await app.valkey.dbsize()).toBe(keys);
    // What was accepted before is answered as it was.
    const repeat = await app.post('/v1/jobs', JOB, { 'idempotency-key': 'before' });
    expect([repeat.status, await repeat.json()]).toEqual([202, await accepted.json()]);
    expect((await app.lines([JOB, JOB], batch)).status).toBe(202);
    expect(
      (await app.post('/v1/jobs', { ...JOB, name: 'other' }, { 'idempotency-key': 'before' })).status,
    ).toBe(422);
    expect(await app.valkey.set('an-end', 'x'.repeat(1000))).toBe('OK');
    await app.valkey.config('SET', 'maxmemory', used * 2);
    expect((await app.post('/v1/jobs', JOB)).status).toBe(202);
  });
});
