import { Duplex } from 'node:stream';
import type { EgressPolicy, SidecarCommand, SidecarReply } from '@cronium/contracts';
import { afterEach, expect, test, vi } from 'vitest';
import { SidecarLine } from './sidecar-line.ts';
import { SidecarWarnings } from './sidecar-warnings.ts';

afterEach(() => vi.useRealTimers());

/** A sidecar that answers when it is told to. */
function scriptedSidecar() {
  const written: string[] = [];
  const socket = new Duplex({
    read: () => undefined,
    write: (chunk, _, done) => {
      written.push(String(chunk));
      done();
    },
  });
  const answer = (reply: SidecarReply) => socket.push(stdoutFrame(`${JSON.stringify(reply)}\n`));
  /** The commands that it was sent, when there are so many. */
  const sent = async (count: number) => {
    await vi.waitUntil(() => written.length >= count);
    return written.map((line): SidecarCommand => JSON.parse(line));
  };
  return { written, sent, socket, answer };
}

function stdoutFrame(text: string): Buffer {
  const header = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([header, Buffer.from(text)]);
}

function bind(attemptId: string): SidecarCommand {
  const egress: EgressPolicy = { mode: 'none', allow: [], allowPrivate: [] };
  return { type: 'bind', attemptId, jobId: 'job', input: null, context: {}, secrets: [], egress };
}

test('the late answer to a question that was given up is not taken for that to the next one', async () => {
  const { sent, socket, answer } = scriptedSidecar();
  const line = new SidecarLine(socket, 'one', () => undefined);
  const impatient = new AbortController();
  const { signal: patient } = new AbortController();
  const given = line.health(impatient.signal);
  await sent(1);
  impatient.abort();
  await expect(given).rejects.toMatchObject({ message: expect.stringContaining('did not answer "health"') });
  const second = line.health(patient);
  answer({ type: 'health', problem: 'of the first' });
  expect(await sent(2)).toEqual([{ type: 'health' }, { type: 'health' }]);
  answer({ type: 'health' });
  expect(await second).toBeUndefined();
  line.close();
});

test('an attempt is not taken as bound by the answer to another that was given up', async () => {
  const { sent, socket, answer } = scriptedSidecar();
  const line = new SidecarLine(socket, 'one', () => undefined);
  const impatient = new AbortController();
  const { signal: patient } = new AbortController();
  const given = line.ask(bind('job.1'), impatient.signal);
  await sent(1);
  impatient.abort();
  await expect(given).rejects.toMatchObject({ code: 'sidecar' });
  const next = line.ask(bind('job.2'), patient);
  answer({ type: 'bound', attemptId: 'job.1' });
  await sent(2);
  answer({ type: 'bound', attemptId: 'job.1' });
  answer({ type: 'error', message: 'it has no room' });
  await expect(next).rejects.toMatchObject({ message: expect.stringContaining('refused to bind') });
  line.close();
});

test('a question whose asker has gone while it waited is not put to the sidecar', async () => {
  const { written, socket } = scriptedSidecar();
  const line = new SidecarLine(socket, 'one', () => undefined);
  const first = new AbortController();
  const second = new AbortController();
  const health = line.health(first.signal);
  const unbind = line.ask({ type: 'unbind' }, second.signal);
  await vi.waitUntil(() => written.length > 0);
  second.abort();
  first.abort();
  await expect(health).rejects.toMatchObject({ code: 'sidecar' });
  await expect(unbind).rejects.toMatchObject({ code: 'sidecar' });
  expect(written).toEqual(['{"type":"health"}\n']);
  line.close();
});

test('a sidecar that warns without end is told of twenty times a minute, and then how often more', () => {
  vi.useFakeTimers();
  const told: string[] = [];
  const warnings = new SidecarWarnings(({ msg }) => told.push(msg));
  const warn = (count: number) => warnings.push('{"level":"warn","msg":"w"}\n'.repeat(count));
  warn(1000);
  expect(told).toEqual(Array(20).fill('w'));
  vi.advanceTimersByTime(60_000);
  expect(told.splice(0)).toEqual([...Array(20).fill('w'), '980 more warnings within a minute']);
  warn(20);
  warnings.end();
  expect(told).toEqual(Array(20).fill('w'));
  expect(vi.getTimerCount()).toBe(0);
});
