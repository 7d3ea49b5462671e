import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  attemptIdOf,
  type LiveMessage,
  type LiveSubscriptionInput,
  logAcks,
  newJobId,
  signNodeToken,
} from '@cronium/contracts';
import { AttemptLog } from '../../services/worker/src/logs/attempt-log.ts';
import { Shipper } from '../../services/worker/src/logs/shipper.ts';
import { pause } from '../local/fleet/pause.ts';
import { joinFleet } from './bench-node.ts';
import type { Figure } from './figure.ts';
import { updateOf } from './ingest-load.ts';
import { median, percentile } from './measure.ts';
import type { Stage, StagedService } from './stage.ts';

const NODE = 'bench-tail';
const JOBS = 100;
/** So many of them have a reader each. */
const READERS = 5;
/** Each job writes a line at random times, so often on average. */
const MEAN_MS = 500;
const RUN_MS = 15_000;

/** Milliseconds from a line's writing to its reader. */
export interface TailRun {
  /** The line itself, in an event stream that follows the log. */
  readonly lines: readonly number[];
  /** The news on the live socket that the log has grown by it. */
  readonly news: readonly number[];
}

/**
 * A hundred jobs write lines through the worker's own log pipeline to results, and readers follow some of them: from the
 * moment the worker reads a line to the moment the reader has it.
 */
export async function measureTail(stage: Stage, results: StagedService): Promise<TailRun> {
  const key = await joinFleet(stage.valkeyUrl, NODE);
  const token = await signNodeToken(key, NODE);
  const jobs = Array.from({ length: JOBS }, newJobId);
  const post = async (path: string, type: string, body: Uint8Array<ArrayBuffer> | string) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': type };
    const response = await fetch(`${results.url}${path}`, { method: 'POST', headers, body });
    if (response.status !== 200) throw new Error(`${path} answered ${response.status}`);
    return response.json();
  };
  const running = jobs.map((id) => {
    const { outcome: _, final: __, ...rest } = updateOf(id, NODE);
    return { ...rest, state: 'running', timeline: rest.timeline.slice(0, 4) };
  });
  await post('/internal/v1/attempts', 'application/json', JSON.stringify(running));
  const stop = new AbortController();
  const failed = Promise.withResolvers<never>();
  const shipper = new Shipper({
    send: async (frames) =>
      logAcks.parse(await post('/internal/v1/logs', 'application/octet-stream', new Uint8Array(frames))),
    isRefusal: () => false,
    isFault: () => false,
    onError: (error) => failed.reject(error),
  });
  const shipping = shipper.run(stop.signal);
  const spoolFolder = await mkdtemp(join(tmpdir(), 'cronium-bench-tail-'));
  const day = new Date().toISOString().slice(0, 10);
  const logs = jobs.map(
    (id) => new AttemptLog({ attemptId: attemptIdOf(id, 1), day, maxBytes: 2 ** 28, shipper, spoolFolder }),
  );
  try {
    const readers = jobs.slice(0, READERS);
    const run: { lines: number[]; news: number[] } = { lines: [], news: [] };
    const reading = readers.map((id) => follow(stage, results, { id, into: run.lines, signal: stop.signal }));
    const written = new Map<string, number[]>(readers.map((id) => [id, []]));
    const socket = await watch(stage, results, { written, into: run.news });
    await pause(500);
    const writing = logs.map((log, index) => write(log, { times: written.get(jobs[index] ?? '') }));
    await Promise.race([Promise.all(writing), failed.promise]);
    await pause(1000);
    socket.close();
    stop.abort();
    await Promise.allSettled(reading);
    return run;
  } finally {
    stop.abort();
    await shipping;
    for (const log of logs) log.abandon();
    await rm(spoolFolder, { recursive: true });
  }
}

const wallClock = (): number => performance.timeOrigin + performance.now();

/** @param times gets the time of each line */
async function write(log: AttemptLog, { times }: { times: number[] | undefined }): Promise<void> {
  const endsAt = performance.now() + RUN_MS;
  const never = new AbortController().signal;
  for (;;) {
    await pause(-Math.log(1 - Math.random()) * MEAN_MS);
    if (performance.now() > endsAt) return;
    const now = wallClock();
    times?.push(now);
    const bytes = Buffer.from(`${now} a line of an ordinary length, as programs write them`);
    await log.write({ stream: 'stdout', time: now, bytes, newline: true }, never);
  }
}

/** Reads a log as it is written; the lines themselves say when that was. */
async function follow(
  { apiKey }: Stage,
  { url }: StagedService,
  { id, into, signal }: { id: string; into: number[]; signal: AbortSignal },
): Promise<void> {
  const headers = { authorization: `Bearer ${apiKey}`, accept: 'text/plain' };
  const response = await fetch(`${url}/v1/jobs/${id}/logs?follow=true`, { headers, signal });
  const decoder = new TextDecoder();
  for await (const piece of response.body ?? []) {
    const now = wallClock();
    for (const line of decoder.decode(piece, { stream: true }).split('\n')) {
      const at = Number.parseFloat(line);
      if (Number.isFinite(at)) into.push(now - at);
    }
  }
}

/** Waits on the live socket for the news of lines. */
async function watch(
  { apiKey }: Stage,
  { url }: StagedService,
  { written, into }: { written: ReadonlyMap<string, readonly number[]>; into: number[] },
): Promise<WebSocket> {
  const headers = { authorization: `Bearer ${apiKey}` };
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/live`, { headers });
  const told = new Map<string, number>();
  socket.addEventListener('message', ({ data }) => {
    const message: LiveMessage = JSON.parse(String(data));
    if (message.type !== 'log') return;
    const { job, lines } = message.log;
    const times = written.get(job)?.slice(told.get(job) ?? 0, lines) ?? [];
    told.set(job, lines);
    for (const at of times) into.push(wallClock() - at);
  });
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', () => reject(new Error('the live socket cannot be opened')));
  });
  const subscription: LiveSubscriptionInput = {
    type: 'subscribe',
    logs: [...written.keys()].map((job) => ({ job, attempt: 1 })),
  };
  socket.send(JSON.stringify(subscription));
  return socket;
}

export function tailFigures(runs: readonly TailRun[]): Figure[] {
  const figure = (name: string, pick: (run: TailRun) => readonly number[], share: number, atMost: number) => {
    const values = runs.map((run) => percentile(pick(run), share));
    const target = { of: 'value' as const, atMost };
    return { name, unit: 'ms', value: median(values), runs: values, target };
  };
  return [
    figure('a line to its reader, 100 jobs, p50', ({ lines }) => lines, 0.5, 50),
    figure('a line to its reader, 100 jobs, p99', ({ lines }) => lines, 0.99, 200),
    figure('news of a line on the live socket, p50', ({ news }) => news, 0.5, 50),
    figure('news of a line on the live socket, p99', ({ news }) => news, 0.99, 200),
  ];
}
