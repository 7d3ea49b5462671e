import {
  attemptIdOf,
  encodeChunks,
  type LogAcks,
  type LogChunk,
  type LogRecord,
  newJobId,
} from '@cronium/contracts';
import { eventually } from '@cronium/testing';
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dayOf } from '../db/partitions.ts';
import { ingestAttempts } from '../ingest/attempts.ts';
import { ingestLogs } from '../ingest/logs.ts';
import { logStanding } from '../queries/logs-read.ts';
import { chunksOf, successOf, updateOf } from '../test/fleet.ts';
import { bodyOf, openService, type ProblemBody, type TestService } from '../test/service.ts';

let service: TestService;
let auth: Record<string, string>;
beforeAll(async () => {
  service = await openService();
  service.start();
  auth = await service.fleet.nodeAuth();
});
afterAll(() => service[Symbol.asyncDispose]());

const send = (chunks: readonly LogChunk[]) =>
  service.send('POST', '/internal/v1/logs', encodeChunks(chunks), auth);
const bytesOf = async (path: string, headers?: Record<string, string>) =>
  Buffer.from(await (await service.get(path, headers)).arrayBuffer());

const record = fc.record({
  stream: fc.constantFrom('stdout' as const, 'stderr' as const),
  time: fc.integer({ min: 0, max: 2_000_000_000_000 }),
  bytes: fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.constant(new Uint8Array()),
    fc.constant(Buffer.from('\u001b[31m<b>é\u0000')),
  ),
  newline: fc.boolean(),
});

function joined(records: readonly LogRecord[], stream?: string): Buffer {
  const own = records.filter((one) => stream === undefined || one.stream === stream);
  return Buffer.concat(own.flatMap(({ bytes, newline }) => (newline ? [bytes, Buffer.from('\n')] : [bytes])));
}

async function jobWithAttempt(state: 'running' | 'claimed' = 'running'): Promise<string> {
  const id = newJobId();
  await ingestAttempts(service.deps.db, [updateOf(id, 1, { state })]);
  return id;
}

test('any bytes in any chunks, sent in any order and again, come back as they were', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(record, { maxLength: 60 }),
      fc.integer({ min: 1, max: 9 }),
      async (records, each) => {
        const id = await jobWithAttempt();
        const chunks = chunksOf(attemptIdOf(id, 1), records, { each });
        await send(chunks.toReversed());
        await send(chunks.slice(0, 2));
        const { acks } = await bodyOf<LogAcks>(send(chunks));
        expect(acks).toEqual([{ attemptId: `${id}.1`, nextChunk: chunks.length }]);
        expect((await bytesOf(`/v1/jobs/${id}/logs`)).equals(joined(records))).toBe(true);
        expect((await bytesOf(`/v1/jobs/${id}/logs?stream=stderr`)).equals(joined(records, 'stderr'))).toBe(
          true,
        );
      },
    ),
    { numRuns: 40 },
  );
});

test('a chunk after a gap is not taken; the answer names the one to send', async () => {
  const id = await jobWithAttempt();
  const line = { stream: 'stdout', time: 1, bytes: Buffer.from('x'), newline: true } as const;
  const chunks = chunksOf(`${id}.1`, [line, line, line], { each: 1 });
  const { acks } = await bodyOf<LogAcks>(send([chunks[2] as LogChunk]));
  expect(acks).toEqual([{ attemptId: `${id}.1`, nextChunk: 0 }]);
  await send([chunks[0] as LogChunk]);
  const position = await service.get(`/internal/v1/attempts/${id}.1/log-position`, auth);
  expect(await position.json()).toEqual({
    nextChunk: 1,
    nextSeq: 2,
    stdoutEnd: 2,
    stderrEnd: 0,
    complete: false,
  });
});

test('100,000 lines of both streams with lines of 1 MB and bytes that are not UTF-8 come back exactly', async () => {
  const id = await jobWithAttempt();
  const lines: LogRecord[] = Array.from({ length: 100_000 }, (_, index) => ({
    stream: index % 3 === 0 ? 'stderr' : 'stdout',
    time: 1_700_000_000_000 + index,
    bytes: Buffer.from(index % 7 === 0 ? '' : `line ${index}`),
    newline: true,
  }));
  lines.push({ stream: 'stdout', time: 1, bytes: Buffer.alloc(1_000_000, 'a'), newline: true });
  lines.push({ stream: 'stderr', time: 1, bytes: Buffer.from([0xff, 0xfe, 0, 0xc3]), newline: false });
  const chunks = chunksOf(`${id}.1`, lines, { each: 5000 });
  expect((await send(chunks)).status).toBe(200);
  expect((await bytesOf(`/v1/jobs/${id}/logs`)).equals(joined(lines))).toBe(true);
  expect((await bytesOf(`/v1/jobs/${id}/logs?stream=stderr`)).equals(joined(lines, 'stderr'))).toBe(true);
  const rest = (
    await bytesOf(`/v1/jobs/${id}/logs?after=100001`, { accept: 'application/x-ndjson' })
  ).toString();
  expect(
    rest
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text)),
  ).toEqual([
    {
      seq: 100_002,
      time: '1970-01-01T00:00:00.001Z',
      stream: 'stderr',
      text: '\ufffd\ufffd\0\ufffd',
      base64: '//4Aww==',
      partial: true,
    },
  ]);
});

test('following streams lines as they are stored, from before the first claim to the end of the log', async () => {
  const id = newJobId();
  const { payload, ...claim } = updateOf(id, 1);
  await service.fleet.submit(id, payload as never);
  const following = await service.get(`/v1/jobs/${id}/logs?follow=true`, { accept: 'text/event-stream' });
  const seen: string[] = [];
  const ended = (async () => {
    for await (const part of following.body ?? []) seen.push(Buffer.from(part).toString());
  })();
  const line = (text: string) =>
    ({ stream: 'stdout', time: 0, bytes: Buffer.from(text), newline: true }) as const;
  const chunks = chunksOf(`${id}.1`, [line('one'), line('two'), line('three')], { each: 1 });
  await ingestAttempts(service.deps.db, [{ ...claim, payload, state: 'running' }]);
  for (const [index, chunk] of chunks.entries()) {
    await send([chunk]);
    await eventually(() => seen.join('').includes(`id: ${index + 1}\n`), {
      what: `line ${index + 1} has come`,
    });
  }
  await ended;
  expect(seen.join('').match(/"text":"(\w+)"/g)).toEqual(['"text":"one"', '"text":"two"', '"text":"three"']);
  const resumed = await service.get(`/v1/jobs/${id}/logs`, {
    accept: 'text/event-stream',
    'last-event-id': '2',
  });
  expect(await resumed.text()).toMatch(/^id: 3\ndata: .*"three"/);
});

test('following ends when the job ends in the queue, and when its attempt ended without a log', async () => {
  const id = newJobId();
  await ingestAttempts(service.deps.db, successOf(id));
  expect(await (await service.get(`/v1/jobs/${id}/logs?follow=true`)).text()).toBe('');
});

test('a reader that stops reading holds nothing up', async () => {
  const id = await jobWithAttempt();
  const big = { stream: 'stdout', time: 1, bytes: Buffer.alloc(500_000, 'z'), newline: true } as const;
  const chunks = chunksOf(
    `${id}.1`,
    Array.from({ length: 40 }, () => big),
    { each: 1 },
  );
  const reader = (await service.get(`/v1/jobs/${id}/logs?follow=true`)).body?.getReader();
  for (const chunk of chunks) expect((await send([chunk])).status).toBe(200);
  await reader?.cancel();
  expect((await bytesOf(`/v1/jobs/${id}/logs`)).length).toBe(40 * 500_001);
});

test('frames that are cut off or not frames are refused with a reason', async () => {
  const id = await jobWithAttempt();
  const line = { stream: 'stdout', time: 1, bytes: Buffer.from('x'), newline: true } as const;
  const frames = encodeChunks(chunksOf(`${id}.1`, [line]));
  const response = await service.send('POST', '/internal/v1/logs', frames.subarray(0, -1), auth);
  expect([response.status, (await bodyOf<ProblemBody>(response)).detail]).toEqual([
    400,
    'the frames end within a frame',
  ]);
});

const lines = (...texts: readonly string[]): LogRecord[] =>
  texts.map((text) => ({ stream: 'stdout', time: 1, bytes: Buffer.from(text), newline: true }));

test('of a log that is older than retention what comes is stored and read, and the rest is said to be missing', async () => {
  const [id, other] = [await jobWithAttempt(), await jobWithAttempt()];
  const chunks = chunksOf(`${id}.1`, lines('one', 'two', 'three', 'four'), { each: 1 });
  await send(chunks.slice(0, 2));
  // Its beginning was long ago, and retention has dropped that day.
  await sql`UPDATE attempt_logs SET day = '2026-01-01' WHERE attempt_id = ${`${id}.1`}`.execute(
    service.deps.db,
  );
  await sql`DELETE FROM log_chunks WHERE attempt_id = ${`${id}.1`}`.execute(service.deps.db);
  const { acks } = await bodyOf<LogAcks>(
    send([...chunks.slice(2, 3), ...chunksOf(`${other}.1`, lines('of another'))]),
  );
  expect(acks).toEqual([
    { attemptId: `${id}.1`, nextChunk: 3 },
    { attemptId: `${other}.1`, nextChunk: 1 },
  ]);
  expect((await bytesOf(`/v1/jobs/${other}/logs`)).toString()).toBe('of another\n');
  // Again, and what follows: the longer way.
  expect((await send(chunks.slice(2))).status).toBe(200);
  const missing =
    '[cronium] 2 lines before this are past retention and were dropped (CRONIUM_RETENTION_DAYS).';
  expect((await bytesOf(`/v1/jobs/${id}/logs`)).toString()).toBe(`${missing}\nthree\nfour\n`);
  expect((await bytesOf(`/v1/jobs/${id}/logs?stream=stdout`)).toString()).toBe('three\nfour\n');
  expect((await bytesOf(`/v1/jobs/${id}/logs?after=2`)).toString()).toBe('three\nfour\n');
});

test('a log of several days is one log, and loses only its days past retention', async () => {
  const id = await jobWithAttempt();
  const now = Date.now();
  const daysAgo = (days: number) => now - days * 86_400_000;
  const chunks = chunksOf(`${id}.1`, lines('a', 'b', 'c', 'd', 'e', 'f'), { each: 1 });
  const store = (from: number, to: number, nowMs: number) =>
    ingestLogs(service.deps, chunks.slice(from, to), nowMs);
  await store(0, 1, daysAgo(3));
  await store(1, 2, daysAgo(2));
  // By the clock of another process it is still the day before.
  await store(2, 3, daysAgo(3));
  // The longer way: a part of it is there.
  await store(2, 4, daysAgo(1));
  await store(4, 6, now);
  expect((await bytesOf(`/v1/jobs/${id}/logs`)).toString()).toBe('a\nb\nc\nd\ne\nf\n');
  expect((await bytesOf(`/v1/jobs/${id}/logs?after=2&limit=3`)).toString()).toBe('c\nd\ne\n');
  const { days } = await logStanding(service.deps.db, { jobId: id, attempt: 1, attemptId: `${id}.1` });
  expect(days).toEqual([3, 2, 1, 0].map((ago) => dayOf(daysAgo(ago))));
  await service.deps.partitions.dropBefore(dayOf(daysAgo(1)));
  expect((await bytesOf(`/v1/jobs/${id}/logs?after=3`)).toString()).toBe('d\ne\nf\n');
  expect((await bytesOf(`/v1/jobs/${id}/logs`)).toString()).toMatch(/^\[cronium\] 3 lines .*\nd\ne\nf\n$/);
});

test('a daily table that is gone is made anew: the database may have been restored', async () => {
  const id = await jobWithAttempt();
  const [first, second] = chunksOf(`${id}.1`, lines('one', 'two'), { each: 1 }) as [LogChunk, LogChunk];
  await send([first]);
  await sql.raw(`DROP TABLE log_chunks_${dayOf(Date.now()).replaceAll('-', '')}`).execute(service.deps.db);
  expect((await send([second])).status).toBe(200);
  expect((await bytesOf(`/v1/jobs/${id}/logs?after=1`)).toString()).toBe('two\n');
});
