import {
  type AttemptUpdateInput,
  attemptIdOf,
  compressRecords,
  encodeChunks,
  encodeRecords,
  jobSpec,
  type LogChunk,
  TIMELINE_MOMENTS,
  traceIdForJob,
} from '@cronium/contracts';

/** What a node sends. */
export interface Request {
  readonly path: string;
  readonly type: string;
  readonly body: Buffer;
}

interface Load {
  readonly node: string;
  /** Requests. */
  readonly count: number;
  newJobId(): string;
}

/** A node runs so many jobs, and each writes so many lines in the time for which a chunk waits for more. */
const ATTEMPTS = 50;
const CHUNKS_EACH = 4;
const LINES_EACH = 75;
/** As many as a worker puts into one request. */
const OUTCOMES_EACH = 500;

export const LINES_OF_REQUEST = ATTEMPTS * CHUNKS_EACH * LINES_EACH;
export const OUTCOMES_OF_REQUEST = OUTCOMES_EACH;

const today = (): string => new Date().toISOString().slice(0, 10);

/** What is sent before the measurement, and what is timed. */
interface Requests {
  readonly before: readonly Request[];
  readonly timed: readonly Request[];
}

/** Chunks of the logs of running jobs. */
export function logRequests({ count, newJobId }: Load): Requests {
  const attempts = newAttempts(newJobId);
  const timed = Array.from({ length: count }, (_, request) => ({
    path: '/internal/v1/logs',
    type: 'application/octet-stream',
    body: encodeChunks(chunksOf(attempts, request)),
  }));
  return { before: [], timed };
}

/** The attempts that one node runs. */
export function newAttempts(newJobId: () => string): string[] {
  return Array.from({ length: ATTEMPTS }, () => attemptIdOf(newJobId(), 1));
}

export function chunksOf(attempts: readonly string[], request: number): LogChunk[] {
  return attempts.flatMap((attemptId) =>
    Array.from({ length: CHUNKS_EACH }, (_, index) => chunkOf(attemptId, request * CHUNKS_EACH + index)),
  );
}

function chunkOf(attemptId: string, chunk: number): LogChunk {
  const time = Date.now();
  const first = chunk * LINES_EACH + 1;
  const records = Array.from({ length: LINES_EACH }, (_, line) => ({
    stream: 'stdout' as const,
    time: time + line,
    bytes: Buffer.from(
      `${new Date(time + line).toISOString()} INFO  handled request ${attemptId}-${first + line} status=200 bytes=${(first * 7919 + line * 104_729) % 100_000}`,
    ),
    newline: true,
  }));
  const raw = encodeRecords(records);
  const end = records.reduce((sum, { bytes }) => sum + bytes.length + 1, 0) * (chunk + 1);
  return {
    header: {
      attemptId,
      day: today(),
      chunk,
      firstSeq: first,
      records: LINES_EACH,
      stdoutEnd: end,
      stderrEnd: 0,
      omittedBytes: 0,
      rawBytes: raw.length,
      last: false,
      time,
    },
    body: compressRecords(raw),
  };
}

/** Reports of jobs that have ended; before that, of the same jobs as they run. */
export function outcomeRequests({ node, count, newJobId }: Load): Requests {
  const ended = Array.from({ length: count }, () =>
    Array.from({ length: OUTCOMES_EACH }, () => updateOf(newJobId(), node)),
  );
  const request = (updates: readonly AttemptUpdateInput[]) => ({
    path: '/internal/v1/attempts',
    type: 'application/json',
    body: Buffer.from(JSON.stringify(updates)),
  });
  return { before: ended.map((updates) => request(updates.map(asRunning))), timed: ended.map(request) };
}

function asRunning({ outcome: _, final: __, timeline, ...rest }: AttemptUpdateInput): AttemptUpdateInput {
  const begun = timeline.findIndex(({ moment }) => moment === 'main_ended');
  return { ...rest, state: 'running', timeline: timeline.slice(0, begun) };
}

const SPEC = jobSpec.parse({
  type: 'script',
  name: 'report',
  script: { language: 'bash', source: `set -eu\nprintf 'report of customer %s\\n' "$CUSTOMER"\n` },
  env: { CUSTOMER: '17' },
  input: { customer: 17, day: '2026-01-31', formats: ['pdf', 'csv'] },
  labels: { team: 'billing' },
});

export function updateOf(jobId: string, node: string): AttemptUpdateInput {
  const now = Date.now();
  return {
    attemptId: attemptIdOf(jobId, 1),
    jobId,
    attempt: 1,
    node,
    day: today(),
    payload: {
      v: 1,
      spec: SPEC,
      tenant: 'default',
      traceId: traceIdForJob(jobId),
      receivedAt: now - 300,
      acceptedAt: now - 299,
      attemptBase: 0,
      postponed: 0,
    },
    state: 'succeeded',
    timeline: TIMELINE_MOMENTS.filter((moment) => !/tenant|setup|pre_task/.test(moment)).map(
      (moment, index) => ({
        moment,
        at: now - 250 + 10 * index,
      }),
    ),
    outcome: { state: 'succeeded', exitCode: 0, death: null },
    final: true,
  };
}
