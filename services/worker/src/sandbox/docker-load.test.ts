import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AttemptLog } from '../logs/attempt-log.ts';
import { Shipper } from '../logs/shipper.ts';
import { ScriptedResults } from '../testing/scripted-results.ts';
import { SandboxFixture } from './testing/fixture.ts';

const MIB = 2 ** 20;
const CAP = 4 * MIB;
/** Whole lines, many times the cap. */
const TOTAL = 12 * 1_000_000;

let fixture: SandboxFixture;
beforeAll(async () => {
  fixture = await SandboxFixture.create({ logMaxBytes: CAP });
  await fixture.share();
});
afterAll(() => fixture[Symbol.asyncDispose]());

/** A results service, and the way to it. */
function shipping() {
  const results = new ScriptedResults();
  const shipper = new Shipper({
    send: (frames, abort) => results.sendLogs(frames, abort),
    isRefusal: () => false,
    isFault: () => false,
    onError: () => undefined,
  });
  const stopping = new AbortController();
  const running = shipper.run(stopping.signal);
  const spool = mkdtempSync(join(tmpdir(), 'load-'));
  const dispose = async () => {
    stopping.abort();
    await running;
    rmSync(spool, { recursive: true, force: true });
  };
  return { results, shipper, spool, [Symbol.asyncDispose]: dispose };
}

/** Runs a job and stores its log as a worker does. */
async function stored(source: string, { shipper, spool }: ReturnType<typeof shipping>) {
  const sandbox = await fixture.prepare(fixture.shell(source));
  const { attemptId } = sandbox.binding;
  const spoolFolder = join(spool, attemptId);
  // One for all of them: a timer for each record would be what the memory is full of.
  const signal = AbortSignal.timeout(150_000);
  const log = new AttemptLog({ attemptId, day: '2026-01-01', maxBytes: CAP, shipper, spoolFolder });
  await sandbox.launch();
  for await (const item of sandbox.output({ stdout: 0, stderr: 0 }, signal)) {
    if (item.type === 'record') await log.write(item.record, signal, item.missingBytes ?? 0);
  }
  const exit = await sandbox.exit(signal);
  await log.close(signal);
  await sandbox.release();
  return { attemptId, exit };
}

/** What is in use, not what the collector has not looked at yet, all along. */
function livingMemory() {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  const inUse = () => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const before = inUse();
  let most = before;
  const look = () => {
    most = Math.max(most, inUse());
  };
  const timer = setInterval(look, 250);
  const mostMore = () => {
    look();
    return most - before;
  };
  return { mostMore, [Symbol.dispose]: () => clearInterval(timer) };
}

test('a job that prints as fast as it can costs its own log the middle, and others nothing; memory stays flat', async () => {
  await using way = shipping();
  using memory = livingMemory();
  const loud = stored(`echo first; yes 'some output' | head -c ${TOTAL}; echo last`, way);
  const quiet = await Promise.all(
    [1, 2, 3].map((n) => stored(`for i in 1 2 3 4 5; do echo "${n}.$i"; sleep 0.1; done`, way)),
  );
  for (const [index, { attemptId, exit }] of quiet.entries()) {
    expect(exit).toMatchObject({ exitCode: 0 });
    expect(way.results.text(attemptId)).toBe([1, 2, 3, 4, 5].map((i) => `${index + 1}.${i}\n`).join(''));
  }
  const { attemptId } = await loud;
  expect(memory.mostMore()).toBeLessThan(48 * MIB);
  const log = way.results.logs.get(attemptId);
  const own = (log?.records ?? []).filter(({ notice }) => !notice);
  const kept = own.reduce((sum, { bytes, newline }) => sum + bytes.length + (newline ? 1 : 0), 0);
  const omitted = (log?.headers ?? []).reduce((sum, header) => sum + header.omittedBytes, 0);
  expect(kept).toBeLessThanOrEqual(CAP);
  expect(omitted).toBeGreaterThan(CAP);
  expect(kept + omitted).toBe('first\n'.length + TOTAL + 'last\n'.length);
  expect([own[0], own.at(-1)].map((one) => Buffer.from(one?.bytes ?? []).toString())).toEqual([
    'first',
    'last',
  ]);
});

test('jobs that take all they can get, each of another kind, are confined; their neighbour ends as always', async () => {
  const resources = { memoryMiB: 32, pids: 40, diskMiB: 8, cpus: 0.5 };
  const run = (source: string) => fixture.run(fixture.shell(source, { resources }));
  const [memory, disk, files, processor, neighbour] = await Promise.all([
    run('x=x; while :; do x=$x$x; done'),
    run('head -c 100000000 /dev/zero >/tmp/big 2>/dev/null || wc -c </tmp/big'),
    run('n=3; while eval "exec $n</dev/null" 2>/dev/null; do n=$((n + 1)); done & wait; ulimit -n'),
    run('timeout 2 sh -c "while :; do :; done"; echo over'),
    run('echo as always'),
  ]);
  expect(memory.exit).toMatchObject({ exitCode: 137, oomKilled: true });
  expect(Number(disk.stdout.toString())).toBe(8 * MIB);
  expect(files.stdout.toString()).toBe('4096\n');
  expect(processor.stdout.toString()).toBe('over\n');
  expect(neighbour.exit).toMatchObject({ exitCode: 0 });
  expect(neighbour.stdout.toString()).toBe('as always\n');
});
