import { type AttemptLogLine, logLineBytes } from '@cronium/client';
import type { LogLine } from '@cronium/contracts';
import { eventually } from '@cronium/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestFleet } from './harness.ts';
import { bash, script, WAIT_MS } from './jobs.ts';

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await TestFleet.start();
});
afterAll(() => fleet?.[Symbol.asyncDispose]());

const LINES = 100_000;
const NEWLINE = Buffer.from('\n');

/** Prints what {@link expectedOutput} computes: see there. */
const PRINTER = `
import sys
out = (sys.stdout.buffer, sys.stderr.buffer)
for i in range(${LINES}):
    if i % 7 == 0: line = b""
    elif i % 25000 == 1: line = bytes([97 + i % 26]) * 1000000
    elif i % 1000 == 2: line = bytes([0xff, 0xfe, 0x00, 0xc3, 0x28, 0x1e, 0x0d, 0x1b]) + b"[31m<b>%d" % i
    else: line = b"line %d \\xc3\\xa9" % i
    out[1 if i % 3 == 0 else 0].write(line + b"\\n")
    if i % 5000 == 0:
        for stream in out: stream.flush()
for stream in out:
    stream.write(b"no newline at the end")
    stream.flush()`;

/** Lines of both streams: blank ones, some of 1 MB, some that are not UTF-8, and a last one without its newline. */
function expectedOutput(): Readonly<Record<'stdout' | 'stderr', Buffer>> {
  const parts: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] };
  for (let i = 0; i < LINES; i++) parts[i % 3 === 0 ? 'stderr' : 'stdout'].push(expectedLine(i), NEWLINE);
  const end = Buffer.from('no newline at the end');
  return { stdout: Buffer.concat([...parts.stdout, end]), stderr: Buffer.concat([...parts.stderr, end]) };
}

function expectedLine(i: number): Buffer {
  if (i % 7 === 0) return Buffer.alloc(0);
  if (i % 25_000 === 1) return Buffer.alloc(1_000_000, 97 + (i % 26));
  if (i % 1000 !== 2) return Buffer.from(`line ${i} é`);
  const odd = [0xff, 0xfe, 0x00, 0xc3, 0x28, 0x1e, 0x0d, 0x1b];
  return Buffer.concat([Buffer.from(odd), Buffer.from(`[31m<b>${i}`)]);
}

/** Says where two buffers differ instead of printing megabytes. */
function expectSame(actual: Buffer, wanted: Buffer): void {
  if (actual.equals(wanted)) return;
  const differs = wanted.findIndex((byte, index) => actual[index] !== byte);
  const at = differs === -1 ? wanted.length : differs;
  const near = (buffer: Buffer) =>
    JSON.stringify(buffer.subarray(Math.max(0, at - 60), at + 60).toString('latin1'));
  throw new Error(
    `${actual.length} bytes, not ${wanted.length}; from byte ${at}: ${near(actual)} instead of ${near(wanted)}`,
  );
}

/** Looks at the job all the time, so that the log is read at the moment at which it first shows as ended. */
async function untilEnded(id: string): Promise<void> {
  await eventually(async () => (await fleet.client.job(id)).state === 'succeeded', {
    what: `${id} has succeeded`,
    timeoutMs: WAIT_MS,
    everyMs: 5,
  });
}

test('100,000 lines of both streams come back byte for byte, in order, complete when the job has ended', async () => {
  const wanted = expectedOutput();
  const id = await fleet.submit(script('python', PRINTER));
  const followed = Array.fromAsync(fleet.client.logs(id, { follow: true }));
  await untilEnded(id);
  const [stdout, stderr, ndjson] = await Promise.all([
    fleet.log(id, { stream: 'stdout' }),
    fleet.log(id, { stream: 'stderr' }),
    fleet.request(`/v1/jobs/${id}/logs`, { headers: { accept: 'application/x-ndjson' } }),
  ]);
  expectSame(stdout, wanted.stdout);
  expectSame(stderr, wanted.stderr);
  const lines = (await ndjson.text())
    .trimEnd()
    .split('\n')
    .map((line): LogLine => JSON.parse(line));
  expectWhole(lines, wanted);
  expectWhole(await followed, wanted);
  const view = await fleet.client.job(id);
  const bytes = wanted.stdout.length + wanted.stderr.length;
  expect(view.attemptList[0]?.log).toEqual({ lines: lines.length, bytes, omittedBytes: 0, complete: true });
});

/** The numbers have no gaps, and each stream's lines make up its bytes. */
function expectWhole(
  lines: readonly (LogLine | AttemptLogLine)[],
  wanted: Readonly<Record<'stdout' | 'stderr', Buffer>>,
): void {
  expect(lines.findIndex(({ seq }, index) => seq !== index + 1)).toBe(-1);
  for (const stream of ['stdout', 'stderr'] as const) {
    expectSame(
      Buffer.concat(lines.filter((line) => line.stream === stream).map(logLineBytes)),
      wanted[stream],
    );
  }
}

test('what is written in the last moment is there', async () => {
  const source = 'head -c 500000 /dev/zero | tr "\\0" x; printf end >&2; printf end';
  const ids = await Promise.all(Array.from({ length: 8 }, () => fleet.submit(bash(source))));
  for (const id of ids) {
    await untilEnded(id);
    expectSame(await fleet.log(id, { stream: 'stdout' }), Buffer.from(`${'x'.repeat(500_000)}end`));
    expectSame(await fleet.log(id, { stream: 'stderr' }), Buffer.from('end'));
  }
});

test('a log can be read from the middle, by attempt, and as server-sent events', async () => {
  const job = await fleet.run(
    bash('seq 5; exit 1', { retry: { attempts: 2, backoff: { delaySeconds: 0 } } }),
  );
  expect((await fleet.log(job.id, { after: '3' })).toString()).toBe('4\n5\n');
  expect((await fleet.log(job.id, { attempt: '1' })).toString()).toBe('1\n2\n3\n4\n5\n');
  const headers = { accept: 'text/event-stream', 'last-event-id': '4' };
  const events = await (await fleet.request(`/v1/jobs/${job.id}/logs`, { headers })).text();
  expect(events).toMatch(/^id: 5\ndata: \{.*"text":"5"\}\n\n$/);
});

test('a log that is too long keeps its head and its tail and counts what is left out', async () => {
  const small = await fleet.addWorker({ env: { CRONIUM_POOLS: 'small', CRONIUM_LOG_MAX_BYTES: '1MiB' } });
  await small.ready();
  const job = await fleet.run(bash('echo first; seq 1000000; echo last', { pool: 'small' }));
  const [log] = [job.attemptList[0]?.log];
  const text = (await fleet.log(job.id, { stream: 'stdout' })).toString();
  expect(text.startsWith('first\n1\n2\n')).toBe(true);
  expect(text.endsWith('\n1000000\nlast\n')).toBe(true);
  const written = Buffer.byteLength('first\nlast\n') + 6_888_896;
  expect(log?.omittedBytes).toBeGreaterThan(5_000_000);
  expect(Buffer.byteLength(text) + (log?.omittedBytes ?? 0)).toBe(written);
  expect((await fleet.log(job.id, { stream: 'fleet' })).toString()).toContain(String(log?.omittedBytes));
});
