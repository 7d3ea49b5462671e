import { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { constants, createGzip, gzipSync, zstdCompressSync } from 'node:zlib';
import { jobIdForLine, newJobId, problem, traceIdForJob } from '@cronium/contracts';
import { eventually } from '@cronium/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { accepted, jobs, NDJSON, ndjson } from '../test/batches.ts';
import { JOB, startApp } from '../test/harness.ts';

/** Compressed as it comes: each piece can be read as soon as it was given. */
function compressed(bytes: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  return Readable.toWeb(Readable.from(bytes).pipe(createGzip({ flush: constants.Z_SYNC_FLUSH })));
}

describe('an NDJSON batch', () => {
  it('runs the good lines, and reports the bad ones by line and path', async () => {
    await using app = await startApp();
    const bad = { ...JOB, timeoutSeconds: -4, nonsense: 1 };
    const response = await app.lines(
      [JOB, '', '  ', 'nope', bad, `${JSON.stringify(JOB)}\r`, '{"a":1,"a":2}'],
      { query: '?name=mixed' },
    );
    expect(response.status).toBe(202);
    const batch = await accepted(response);
    expect(batch).toMatchObject({ accepted: 2, rejectedTotal: 3 });
    expect(batch.rejected.map(({ line, errors }) => [line, errors.map(({ path }) => path)])).toEqual([
      [4, ['']],
      [5, ['timeoutSeconds', 'nonsense']],
      [7, ['a']],
    ]);
    const payloads = await app.payloads();
    expect([...payloads].map(([id, { line, batchId }]) => [id, line, batchId])).toEqual(
      [1, 6].map((line) => [jobIdForLine(batch.batchId, line), line, batch.batchId]),
    );
    expect(await app.events()).toEqual([
      {
        type: 'batch',
        batchId: batch.batchId,
        tenant: 'default',
        name: 'mixed',
        accepted: 0,
        rejected: 0,
        complete: false,
        at: expect.any(Number),
      },
      { type: 'accepted', queue: 'default', jobs: [...payloads.keys()], at: expect.any(Number) },
      {
        type: 'batch',
        batchId: batch.batchId,
        tenant: 'default',
        name: 'mixed',
        accepted: 2,
        rejected: 3,
        complete: true,
        at: expect.any(Number),
      },
    ]);
  });

  it('goes to the queue in chunks, each announced', async () => {
    await using app = await startApp({ limits: { chunkJobs: 100 } });
    const lines = jobs(1050).map((job, i) => ({ ...job, pool: i % 3 === 0 ? 'a' : 'b' }));
    const batch = await accepted(await app.lines(lines));
    expect(batch).toMatchObject({ accepted: 1050, rejectedTotal: 0 });
    const announced = (await app.events()).flatMap((event) => (event.type === 'accepted' ? event.jobs : []));
    const queued = [...(await app.payloads('a')).keys(), ...(await app.payloads('b')).keys()];
    expect(queued).toHaveLength(1050);
    expect(announced.sort()).toEqual(queued.sort());
  });

  it('is one trace when it came with one, and else one for each job', async () => {
    await using app = await startApp();
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await app.lines(jobs(2), { headers: { traceparent } });
    expect(
      [...(await app.payloads()).values()].map(({ traceId, parentSpanId }) => [traceId, parentSpanId]),
    ).toEqual(Array(2).fill(['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331']));
    await using other = await startApp();
    await other.lines(jobs(2));
    for (const [id, { traceId }] of await other.payloads()) expect(traceId).toBe(traceIdForJob(id));
  });

  it('passes over lines that are too long, without holding them', async () => {
    await using app = await startApp();
    let sent = 0;
    const long = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (sent === 0) controller.enqueue(Buffer.from(`${JSON.stringify(JOB)}\n`));
        else if (sent <= 100) controller.enqueue(Buffer.alloc(2 ** 20, 'x'));
        else {
          controller.enqueue(Buffer.from(`\n${JSON.stringify(JOB)}`));
          controller.close();
        }
        sent += 1;
      },
    });
    const batch = await accepted(await app.post('/v1/batches', long, NDJSON));
    expect(batch).toMatchObject({
      accepted: 2,
      rejected: [{ line: 2, errors: [{ path: '', message: 'the line is longer than 8388608 bytes' }] }],
    });
  });

  it('reports bytes that are not UTF-8 as that line', async () => {
    await using app = await startApp();
    const line = JSON.stringify(JOB);
    const body = Buffer.concat([
      Buffer.from(`${line}\n{"name":"`),
      Buffer.of(0xc3, 0x28),
      Buffer.from(`"}\n${line}\n`),
    ]);
    expect(await accepted(await app.post('/v1/batches', body, NDJSON))).toMatchObject({
      accepted: 2,
      rejected: [{ line: 2, errors: [{ path: '', message: 'not valid UTF-8' }] }],
    });
  });

  it('lists a thousand bad lines and counts all', async () => {
    await using app = await startApp();
    const batch = await accepted(await app.lines([JOB, ...Array(1500).fill('x')]));
    expect([batch.rejected.length, batch.rejectedTotal]).toEqual([1000, 1500]);
  });

  it.each([
    ['nothing', '', 400],
    ['blank lines', '\n \n\r\n', 400],
    ['bad lines alone', 'x\ny', 422],
  ])('of %s is refused, and is no batch', async (_, body, status) => {
    await using app = await startApp();
    const response = await app.post('/v1/batches', body, NDJSON);
    expect(response.status).toBe(status);
    expect(await app.events()).toEqual([]);
  });

  it.each([
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const)('may be compressed with %s', async (encoding, compress) => {
    await using app = await startApp();
    const response = await app.post('/v1/batches', compress(ndjson(jobs(1200))), {
      ...NDJSON,
      'content-encoding': encoding,
    });
    expect(await accepted(response)).toMatchObject({ accepted: 1200 });
  });

  it('keeps what it accepted when its compressed data breaks off, and says how much', async () => {
    await using app = await startApp({ limits: { chunkJobs: 10 } });
    const whole = gzipSync(ndjson(jobs(20_000).map((job) => ({ ...job, labels: { id: newJobId() } }))));
    const response = await app.post('/v1/batches', whole.subarray(0, whole.length / 2), {
      ...NDJSON,
      'content-encoding': 'gzip',
    });
    expect(response.status).toBe(400);
    const document = problem.parse(await response.json());
    expect(document.detail).toMatch(/not valid gzip/);
    expect(document.accepted).toBe((await app.payloads()).size);
    expect(document.accepted).toBeGreaterThan(1000);
    expect((await app.events()).at(-1)).toMatchObject({
      type: 'batch',
      complete: true,
      accepted: document.accepted,
    });
  });

  it('that expands to more than it may is refused', async () => {
    await using app = await startApp({ limits: { inflatedBytes: 2 ** 20 } });
    const response = await app.post('/v1/batches', gzipSync(Buffer.alloc(2 ** 22, '\n')), {
      ...NDJSON,
      'content-encoding': 'gzip',
    });
    expect([response.status, problem.parse(await response.json()).detail]).toEqual([
      413,
      expect.stringMatching(/expands to more/),
    ]);
  });

  it('refuses an unknown parameter', async () => {
    await using app = await startApp();
    const response = await app.lines([JOB], { query: '?atomc=true&atomic=yes&__proto__=1' });
    expect(response.status).toBe(400);
    expect(
      problem
        .parse(await response.json())
        .errors?.map(({ path }) => path)
        .sort(),
    ).toEqual(['__proto__', 'atomc', 'atomic']);
  });

  it('is refused when too many are read already', async () => {
    await using app = await startApp({ limits: { uploads: 1 } });
    const { promise: end, resolve } = Promise.withResolvers<void>();
    const slow = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await end;
        controller.enqueue(Buffer.from(JSON.stringify(JOB)));
        controller.close();
      },
    });
    const first = app.post('/v1/batches', slow, NDJSON);
    const second = await eventually(
      async () => {
        const response = await app.lines([JOB]);
        return response.status === 429 && response;
      },
      { what: 'the first one is being read' },
    );
    expect(second.headers.get('retry-after')).toBe('2');
    resolve();
    expect((await first).status).toBe(202);
    expect((await app.lines([JOB])).status).toBe(202);
  });

  it('with far too many bad lines is read no further', async () => {
    await using app = await startApp({ limits: { rejectedLines: 10, chunkJobs: 1 } });
    const response = await app.lines([JOB, ...Array(30).fill('x')]);
    expect(response.status).toBe(422);
    expect(problem.parse(await response.json())).toMatchObject({
      detail: expect.stringMatching(/More than 10 jobs.*line 12/),
      accepted: 1,
      rejectedTotal: 10,
    });
  });

  it.each(['identity', 'gzip'])(
    'is read no further when nobody waits for the answer: %s',
    async (encoding) => {
      await using app = await startApp({ limits: { chunkJobs: 1, rejectedLines: Number.MAX_SAFE_INTEGER } });
      const client = new AbortController();
      const first = Buffer.from(ndjson([JOB]));
      const lines = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(first),
        pull: async (controller) => {
          await turn();
          controller.enqueue(Buffer.alloc(1000, 'x\n'));
        },
      });
      const body = encoding === 'gzip' ? compressed(lines) : lines;
      const sent = app.request('/v1/batches', {
        method: 'POST',
        headers: { ...NDJSON, 'content-encoding': encoding },
        body,
        duplex: 'half',
        signal: client.signal,
      });
      await eventually(async () => (await app.payloads()).size === 1, {
        what: 'the first job is in the queue',
      });
      client.abort();
      expect((await sent).status).toBe(400);
      expect(app.logged.join('')).not.toContain('body.ts');
    },
  );

  it('that stops moving is given up', async () => {
    await using app = await startApp({ limits: { idleMs: 50, chunkJobs: 1 } });
    const stuck = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(Buffer.from(ndjson([JOB]))),
    });
    const response = await app.post('/v1/batches', stuck, NDJSON);
    expect([response.status, problem.parse(await response.json()).accepted]).toEqual([408, 1]);
  });
});

describe('whatever is sent', () => {
  const bytes = fc.uint8Array({ maxLength: 200 });
  const nearly = fc
    .tuple(
      fc.constant(Buffer.from(ndjson(jobs(3)))),
      fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }),
      fc.nat(),
    )
    .map(([good, changes, end]) => {
      const changed = Buffer.from(good);
      for (const [at, byte] of changes) changed[at % changed.length] = byte;
      return changed.subarray(0, end % (changed.length + 1));
    });

  it('is accepted or refused line by line, and never a fault of the producer', async () => {
    await using app = await startApp();
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(bytes, nearly),
        fc.constantFrom('', 'gzip', 'zstd'),
        async (body, encoding) => {
          const headers = { ...NDJSON, ...(encoding !== '' && { 'content-encoding': encoding }) };
          const sent = encoding === 'gzip' && body.length % 2 === 0 ? gzipSync(body) : Buffer.from(body);
          expect([202, 400, 422]).toContain((await app.post('/v1/batches', sent, headers)).status);
          expect([202, 400, 422]).toContain((await app.post('/v1/jobs', Buffer.from(body))).status);
        },
      ),
      { numRuns: 150 },
    );
    expect(app.logged.filter((line) => line.includes('"level":"error"'))).toEqual([]);
  });
});
