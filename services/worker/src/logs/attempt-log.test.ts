import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CHUNK_TARGET_BYTES, decodeChunks, type LogRecord } from '@cronium/contracts';
import { eventually } from '@cronium/testing';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isFault, isRefusal, ResultsError } from '../report/results-client.ts';
import { ScriptedResults } from '../testing/scripted-results.ts';
import { AttemptLog } from './attempt-log.ts';
import { jobBytes } from './chunk-builder.ts';
import { Shipper, type ShipperOptions } from './shipper.ts';

const never = new AbortController().signal;
const ID = 'job_000000000000.1';

/** A running shipper with a results service of its own. */
function shipping(options: Partial<ShipperOptions> = {}) {
  const results = new ScriptedResults();
  const errors: unknown[] = [];
  const shipper = new Shipper({
    send: (frames, signal) => results.sendLogs(frames, signal),
    isRefusal,
    isFault,
    onError: (error) => errors.push(error),
    ...options,
  });
  const stopping = new AbortController();
  const running = shipper.run(stopping.signal);
  const spool = mkdtempSync(join(tmpdir(), 'cronium-log-test-'));
  return {
    results,
    shipper,
    errors,
    spool,
    log: (
      maxBytes: number,
      more: { attemptId?: string; from?: Awaited<ReturnType<ScriptedResults['logPosition']>> } = {},
    ) =>
      new AttemptLog({
        attemptId: ID,
        day: '2026-01-01',
        maxBytes,
        shipper,
        spoolFolder: join(spool, 'tail'),
        ...more,
      }),
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await running;
      rmSync(spool, { recursive: true, force: true });
    },
  };
}

function record(bytes: string | Uint8Array, more: Partial<LogRecord> = {}): LogRecord {
  return { stream: 'stdout', time: 1, bytes: Buffer.from(bytes), newline: true, ...more };
}

const anyRecord = fc.record({
  stream: fc.constantFrom('stdout' as const, 'stderr' as const),
  time: fc.integer({ min: 0, max: 2 ** 40 }),
  bytes: fc.uint8Array({ maxLength: 300 }),
  newline: fc.boolean(),
});

test('every record comes out as it went in, numbered without gaps, with the streams’ true lengths', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyRecord, { maxLength: 60 }), async (records) => {
      await using ship = shipping();
      const log = ship.log(10 ** 9);
      for (const one of records) await log.write(one, never);
      await log.close(never);
      const stored = ship.results.logs.get(ID);
      expect(stored?.records.map((one) => ({ ...one, bytes: [...one.bytes] }))).toEqual(
        records.map((one) => ({ ...one, bytes: [...one.bytes] })),
      );
      const last = stored?.headers.at(-1);
      const length = (stream: string) =>
        records.filter((one) => one.stream === stream).reduce((sum, one) => sum + jobBytes(one), 0);
      expect(last).toMatchObject({ last: true, stdoutEnd: length('stdout'), stderrEnd: length('stderr') });
    }),
    { numRuns: 40 },
  );
});

test('past the cap head and tail are kept, and what is between is counted', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyRecord, { minLength: 1, maxLength: 200 }),
      fc.integer({ min: 2, max: 20_000 }),
      async (records, cap) => {
        await using ship = shipping();
        const log = ship.log(cap);
        for (const one of records) await log.write(one, never);
        await log.close(never);
        const stored = ship.results.logs.get(ID);
        const kept = (stored?.records ?? []).filter((one) => !one.notice);
        const bytes = (list: readonly LogRecord[]) => list.reduce((sum, one) => sum + jobBytes(one), 0);
        const omitted = (stored?.headers ?? []).reduce((sum, { omittedBytes }) => sum + omittedBytes, 0);
        expect(bytes(kept) + omitted).toBe(bytes(records));
        if (bytes(records) <= cap / 2) expect(omitted).toBe(0);
        // What is kept is a beginning and an end of what was written.
        const head = kept.findIndex((one, index) => one.bytes.join() !== records[index]?.bytes.join());
        const tail = head < 0 ? 0 : kept.length - head;
        expect(kept.slice(kept.length - tail).map((one) => one.bytes.join())).toEqual(
          records.slice(records.length - tail).map((one) => one.bytes.join()),
        );
      },
    ),
    { numRuns: 60 },
  );
});

test('a large tail goes to disk and not into memory, and is gone from there afterwards', async () => {
  await using ship = shipping();
  const log = ship.log(24 * 2 ** 20);
  const noise = crypto.getRandomValues(new Uint8Array(60_000));
  for (let index = 0; index < 600; index++) await log.write(record(noise.map((byte) => byte ^ index)), never);
  expect(readdirSync(join(ship.spool, 'tail')).length).toBeGreaterThan(2);
  await log.close(never);
  expect(existsSync(join(ship.spool, 'tail'))).toBe(false);
  const stored = ship.results.logs.get(ID);
  expect(stored?.records.at(-1)?.bytes[0]).toBe((noise[0] ?? 0) ^ (599 & 255));
  const kept = (stored?.records ?? []).filter((one) => !one.notice).length * 60_001;
  expect(kept).toBeLessThanOrEqual(24 * 2 ** 20);
  expect(kept).toBeGreaterThan(20 * 2 ** 20);
});

test('a log is taken up where results has it, and a complete one takes nothing more', async () => {
  await using ship = shipping();
  const first = ship.log(10 ** 6);
  await first.write(record('one'), never);
  await eventually(() => ship.results.text(ID) === 'one\n', { what: 'one is stored' });
  first.abandon();
  const second = ship.log(10 ** 6, { from: await ship.results.logPosition(ID) });
  await second.write(record('two'), never);
  await second.close(never);
  expect(ship.results.text(ID)).toBe('one\ntwo\n');
  expect(ship.results.logs.get(ID)?.headers.map(({ firstSeq }) => firstSeq)).toEqual([1, 2]);
  const third = ship.log(10 ** 6, { from: await ship.results.logPosition(ID) });
  await third.write(record('three'), never);
  await third.close(never);
  expect(ship.results.text(ID)).toBe('one\ntwo\n');
});

test.each([10_000, 40])(
  'lost bytes count in the position, once: a successor does not state the gap again (cap %i)',
  async (cap) => {
    await using set = shipping();
    const first = set.log(cap);
    await first.write(record('before'), never);
    await first.write(record('30 bytes are missing', { notice: true }), never, 30);
    await first.write(record('after'), never);
    await first.close(never);
    const { stdoutEnd } = await set.results.logPosition(ID);
    expect(stdoutEnd).toBe('before\n'.length + 30 + 'after\n'.length);
    const headers = set.results.logs.get(ID)?.headers ?? [];
    expect(headers.reduce((sum, { omittedBytes }) => sum + omittedBytes, 0)).toBe(30);
  },
);

test('while results is away a writer waits at its bound, and goes on afterwards', async () => {
  await using ship = shipping({ attemptBytes: 10_000 });
  ship.results.away = true;
  const log = ship.log(10 ** 9);
  const noise = crypto.getRandomValues(new Uint8Array(60_000));
  let written = 0;
  const writing = (async () => {
    for (; written < 40; written++) await log.write(record(noise), never);
    await log.close(never);
  })();
  await eventually(() => log.isHeldBack, { what: 'the writer is held back' });
  const pending = ship.shipper.pendingBytes;
  expect(pending).toBeLessThan(2 * CHUNK_TARGET_BYTES + 10_000);
  expect(written).toBeLessThan(12);
  ship.results.away = false;
  await writing;
  expect(ship.results.logs.get(ID)?.records).toHaveLength(40);
  expect(ship.shipper.pendingBytes).toBe(0);
});

test('answers that are lost cost a repeat and change nothing', async () => {
  let calls = 0;
  const results = new ScriptedResults();
  await using ship = shipping({
    send: async (frames, signal) => {
      const acks = await results.sendLogs(frames, signal);
      calls += 1;
      if (calls % 2 === 1) throw new ResultsError('UNAVAILABLE', 'the answer was lost');
      return acks;
    },
  });
  const log = ship.log(10 ** 6);
  for (let line = 0; line < 100; line++) await log.write(record(`line ${line}`), never);
  await log.close(never);
  expect(results.logs.get(ID)?.records).toHaveLength(100);
});

test('the ends of logs go together while others are under way, and what someone may read goes at once', async () => {
  const sent: number[] = [];
  await using ship = shipping({
    send: async (frames) => {
      const headers = decodeChunks(frames).map(({ header }) => header);
      sent.push(headers.length);
      return { acks: headers.map(({ attemptId, chunk }) => ({ attemptId, nextChunk: chunk + 1 })) };
    },
  });
  const logs = Array.from({ length: 10 }, (_, index) =>
    ship.log(1000, { attemptId: `job_${String(index).padStart(12, '0')}.1` }),
  );
  const ended: Promise<void>[] = [];
  for (const log of logs.slice(0, 8)) {
    ended.push(log.close(never));
    await nextTurn();
  }
  await Promise.all(ended);
  expect(sent.length).toBeLessThan(8);
  const [reading, last] = logs.slice(8);
  const ending = last?.close(never);
  await reading?.write(record('seen'), never);
  await reading?.claim(never);
  expect(sent.at(-1)).toBe(2);
  await Promise.all([ending, reading?.close(never)]);
});

test('a chunk that results refuses for good ends that log and holds no other up', async () => {
  const results = new ScriptedResults();
  await using ship = shipping({
    send: async (frames, signal) => {
      if (frames.includes('job_BAD')) throw new ResultsError('REFUSED', 'a wrong chunk', { status: 400 });
      return results.sendLogs(frames, signal);
    },
  });
  const bad = ship.log(10 ** 6, { attemptId: 'job_BAD000000000.1' });
  const good = ship.log(10 ** 6);
  await bad.write(record('bad'), never);
  await good.write(record('good'), never);
  await Promise.all([expect(bad.close(never)).rejects.toMatchObject({ code: 'REFUSED' }), good.close(never)]);
  expect(results.text(ID)).toBe('good\n');
});

const jobOf = (attemptId: string) => Number(attemptId.slice(4, 16));
const idOf = (job: number) => `job_${String(job).padStart(12, '0')}.1`;

test('results failing at one chunk of a log, for ever, holds no other log up; it is stored when that is mended', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 2, maxLength: 6 }),
      fc.constantFrom(1, 10 ** 8),
      async (badChunks, nodeBytes) => {
        const results = new ScriptedResults();
        let isMended = false;
        await using ship = shipping({
          nodeBytes,
          setAsideMs: 1,
          send: async (frames, signal) => {
            const isBad = decodeChunks(frames).some(
              ({ header }) => badChunks[jobOf(header.attemptId)] === header.chunk,
            );
            if (isBad && !isMended) throw new ResultsError('UNAVAILABLE', 'a fault', { status: 500 });
            return results.sendLogs(frames, signal);
          },
        });
        const write = async (_: number, job: number) => {
          const log = ship.log(10 ** 6, { attemptId: idOf(job) });
          for (const line of ['one', 'two', 'three']) {
            await log.write(record(line), never);
            await log.claim(never);
          }
          await log.close(never);
        };
        const writing = badChunks.map(write);
        await Promise.all(writing.filter((_, job) => (badChunks[job] ?? 0) < 0));
        const bad = badChunks.filter((chunk) => chunk >= 0);
        await eventually(() => ship.shipper.setAside === bad.length, { what: 'the bad ones are set aside' });
        for (const [job, chunk] of badChunks.entries()) {
          if (chunk >= 0) expect(results.logs.get(idOf(job))?.headers.length ?? 0).toBe(chunk);
        }
        isMended = true;
        await Promise.all(writing);
        for (const job of badChunks.keys()) expect(results.text(idOf(job))).toBe('one\ntwo\nthree\n');
        expect([ship.shipper.setAside, ship.shipper.pendingBytes]).toEqual([0, 0]);
      },
    ),
    { numRuns: 8 },
  );
});

test('a log that is set aside is not tried before its time, unless it was results as a whole', async () => {
  const results = new ScriptedResults();
  let isBroken = true;
  let tries = 0;
  await using ship = shipping({
    send: async (frames, signal) => {
      tries += 1;
      if (isBroken) throw new ResultsError('UNAVAILABLE', 'a fault', { status: 500 });
      return results.sendLogs(frames, signal);
    },
  });
  const [first, second] = [ship.log(1000, { attemptId: idOf(1) }), ship.log(1000, { attemptId: idOf(2) })];
  const closing = first.close(never);
  await eventually(() => ship.shipper.setAside === 1, { what: 'it is set aside' });
  expect(tries).toBe(3);
  isBroken = false;
  await Promise.all([closing, second.close(never)]);
  expect(tries).toBe(5);
});
