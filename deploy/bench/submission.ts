import { request } from 'node:http';
import {
  acceptedBatch,
  jobIdForLine,
  jobSpec,
  newBatchId,
  QUEUED_NAME,
  type QueuePayload,
  queueName,
  queueOptions,
  traceIdForJob,
} from '@cronium/contracts';
import { Queue } from '@cronium/testing';
import { Redis } from 'ioredis';
import type { Figure } from './figure.ts';
import { median } from './measure.ts';
import { MemoryWatch, processorSeconds, residentBytes } from './resident.ts';
import type { Stage, StagedService } from './stage.ts';

/** Of one request to Valkey, and how many are on their way: what suits bare `addBulk` best is its figure. */
const BARE_FORMS = [
  { chunk: 500, inFlight: 2 },
  { chunk: 2000, inFlight: 2 },
];
const PIECE_LINES = 500;

/** One run: jobs a second. */
export interface SubmissionRun {
  readonly producer: number;
  readonly bare: number;
  /** Processor time of a job in the process that puts it into the queue, in microseconds. */
  readonly producerTime: number;
  readonly bareTime: number;
}

/** What a very large batch left behind. */
export interface LargeBatch {
  readonly jobs: number;
  readonly rate: number;
  readonly producerPeak: number;
  readonly valkeyPerJob: number;
}

/** A job as people send it. */
function lineOf(index: number): string {
  return JSON.stringify({
    type: 'script',
    name: `report-${index}`,
    script: { language: 'bash', source: `set -eu\nprintf 'report of customer %s\\n' "$CUSTOMER"\n` },
    env: { CUSTOMER: String(index) },
    input: { customer: index, day: '2026-01-31', formats: ['pdf', 'csv'] },
    labels: { team: 'billing' },
  });
}

/** Submits a batch over HTTP, and puts the same payloads into the same Valkey with nothing but `addBulk`. */
export async function measureSubmission(
  stage: Stage,
  producer: StagedService,
  count: number,
): Promise<SubmissionRun> {
  const valkey = new Redis(stage.valkeyUrl);
  try {
    const bare: Bare[] = [];
    for (const form of BARE_FORMS) {
      await valkey.flushall();
      bare.push(await bareRate(valkey, count, form));
    }
    await valkey.flushall();
    const before = await processorSeconds(producer.pid());
    const rate = await submit(stage, producer, count);
    const seconds = (await processorSeconds(producer.pid())) - before;
    return {
      producer: rate,
      bare: Math.max(...bare.map((one) => one.rate)),
      producerTime: (seconds * 1e6) / count,
      bareTime: Math.min(...bare.map((one) => one.time)),
    };
  } finally {
    valkey.disconnect();
  }
}

/** Submits one very large batch and looks at memory meanwhile. */
export async function measureLargeBatch(
  stage: Stage,
  producer: StagedService,
  count: number,
): Promise<LargeBatch> {
  const valkey = new Redis(stage.valkeyUrl);
  try {
    await valkey.flushall();
    const before = await usedMemory(valkey);
    using watch = new MemoryWatch(producer.pid());
    const rate = await submit(stage, producer, count);
    const valkeyPerJob = ((await usedMemory(valkey)) - before) / count;
    const producerPeak = Math.max(watch.peak, await residentBytes(producer.pid()));
    await valkey.flushall();
    return { jobs: count, rate, producerPeak, valkeyPerJob };
  } finally {
    valkey.disconnect();
  }
}

async function usedMemory(valkey: Redis): Promise<number> {
  const info = await valkey.info('memory');
  return Number(/^used_memory:(\d+)/m.exec(info)?.[1]);
}

/**
 * Sends so many lines as one NDJSON batch.
 * @returns jobs a second, from the request's first byte to its 202
 */
async function submit({ apiKey }: Stage, { url }: StagedService, count: number): Promise<number> {
  const pieces = Array.from({ length: Math.ceil(count / PIECE_LINES) }, (_, piece) => piece * PIECE_LINES);
  const startedAt = performance.now();
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const sending = request(
    `${url}/v1/batches`,
    {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/x-ndjson' },
    },
    (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece) => {
        text += piece;
      });
      response.on('end', () => (response.statusCode === 202 ? resolve(text) : reject(new Error(text))));
    },
  );
  sending.on('error', reject);
  for (const from of pieces) {
    const lines = Array.from({ length: Math.min(PIECE_LINES, count - from) }, (_, i) => lineOf(from + i));
    if (!sending.write(`${lines.join('\n')}\n`)) {
      await new Promise((drained) => sending.once('drain', drained));
    }
  }
  sending.end();
  const { accepted } = acceptedBatch.parse(JSON.parse(await promise));
  if (accepted !== count) throw new Error(`of ${count} jobs ${accepted} were accepted`);
  return count / ((performance.now() - startedAt) / 1000);
}

interface Bare {
  readonly rate: number;
  readonly time: number;
}

async function bareRate(
  valkey: Redis,
  count: number,
  { chunk, inFlight }: { chunk: number; inFlight: number },
): Promise<Bare> {
  const batchId = newBatchId();
  const jobs = Array.from({ length: count }, (_, index) => bareJob(batchId, index));
  const queue = new Queue(queueName({ pool: 'default', requires: {} }), {
    connection: valkey,
    prefix: '{bare}',
    skipVersionCheck: true,
  });
  const startedAt = performance.now();
  const before = process.cpuUsage();
  let next = 0;
  const lane = async () => {
    while (next < jobs.length) {
      const from = next;
      next += chunk;
      await queue.addBulk(jobs.slice(from, from + chunk));
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  const seconds = (performance.now() - startedAt) / 1000;
  const { user, system } = process.cpuUsage(before);
  await queue.close();
  return { rate: count / seconds, time: (user + system) / count };
}

/** The same payload, with the same options, as the producer makes it of the line. */
function bareJob(batchId: string, index: number) {
  const id = jobIdForLine(batchId, index + 1);
  const now = Date.now();
  const data: QueuePayload = {
    v: 1,
    spec: jobSpec.parse(JSON.parse(lineOf(index))),
    tenant: 'default',
    batchId,
    line: index + 1,
    traceId: traceIdForJob(id),
    receivedAt: now,
    acceptedAt: now,
    attemptBase: 0,
    postponed: 0,
  };
  return { name: QUEUED_NAME, data, opts: { jobId: id, ...queueOptions(data, { kept: false, at: now }) } };
}

export function submissionFigures(runs: readonly SubmissionRun[], large: LargeBatch | undefined): Figure[] {
  const producer = runs.map((run) => run.producer);
  const bare = runs.map((run) => run.bare);
  const producerTime = runs.map((run) => run.producerTime);
  const bareTime = runs.map((run) => run.bareTime);
  return [
    {
      name: 'NDJSON batch over HTTP',
      unit: 'jobs/s',
      value: median(producer),
      runs: producer,
      baseline: { name: 'bare addBulk', value: median(bare), runs: bare },
      target: { of: 'ratio', atLeast: 0.8 },
    },
    {
      name: 'NDJSON batch over HTTP, processor time of a job',
      unit: 'us',
      value: median(producerTime),
      runs: producerTime,
      baseline: { name: 'bare addBulk', value: median(bareTime), runs: bareTime },
    },
    ...(large === undefined ? [] : largeFigures(large)),
  ];
}

function largeFigures({ jobs, rate, producerPeak, valkeyPerJob }: LargeBatch): Figure[] {
  const one = (name: string, unit: string, value: number): Figure => ({ name, unit, value, runs: [value] });
  const batch = `batch of ${jobs} jobs`;
  return [
    one(batch, 'jobs/s', rate),
    {
      ...one(`${batch}: producer, most memory`, 'MB', producerPeak / 1e6),
      target: { of: 'value', atMost: 250 },
    },
    one(`${batch}: Valkey, memory of a job`, 'bytes', valkeyPerJob),
  ];
}
