import {
  type AttemptUpdateInput,
  attemptIdOf,
  compressRecords,
  createNodeKey,
  encodeChunks,
  encodeRecords,
  type FleetEvent,
  type JobInput,
  jobSpec,
  keysFor,
  type LogRecord,
  type NodeKey,
  type NodeRecord,
  newJobId,
  type QueuePayload,
  signExecutionToken,
  signNodeToken,
  type TimelineMoment,
  traceIdForJob,
} from '@cronium/contracts';
import { Redis } from 'ioredis';

/** A line of a job's log, for {@link ScriptedNode.writeLog}. */
export interface ScriptedLine {
  readonly text: string;
  readonly stream?: 'stdout' | 'stderr';
  readonly at?: number;
}

/** How a scripted job goes. */
export interface ScriptedJob {
  readonly name: string;
  readonly id?: string;
  readonly spec?: Partial<JobInput>;
  readonly batchId?: string;
  readonly line?: number;
  /** When it was accepted; default: now. */
  readonly acceptedAt?: number;
}

const LINES_EACH = 1000;

/**
 * A worker node as results and producer see it: it reports attempts and logs through the same internal API as a real one,
 * with a node's token, and runs nothing.
 */
export class ScriptedNode implements AsyncDisposable {
  readonly #valkey: Redis;
  readonly #resultsUrl: string;
  readonly #prefix: string;
  readonly #key: NodeKey;
  readonly #written = new Map<string, { chunk: number; seq: number; stdout: number; stderr: number }>();
  readonly name: string;

  private constructor(of: { valkey: Redis; resultsUrl: string; prefix: string; key: NodeKey; name: string }) {
    this.#valkey = of.valkey;
    this.#resultsUrl = of.resultsUrl;
    this.#prefix = of.prefix;
    this.#key = of.key;
    this.name = of.name;
  }

  static async join(of: {
    valkeyUrl: string;
    resultsUrl: string;
    prefix: string;
    name: string;
  }): Promise<ScriptedNode> {
    const valkey = new Redis(of.valkeyUrl);
    const node = new ScriptedNode({ ...of, valkey, key: await createNodeKey() });
    await node.heartbeat();
    return node;
  }

  async heartbeat(change: Partial<NodeRecord> = {}): Promise<void> {
    const now = Date.now();
    const record: NodeRecord = {
      node: this.name,
      version: '0.1.0',
      pools: ['default'],
      labels: { zone: 'a' },
      slots: 8,
      busy: 3,
      state: 'ready',
      reasons: [],
      docker: { version: '28.2.2', cgroup: '2' },
      images: ['cronium/job-bash:dev', 'cronium/job-python:dev', 'cronium/job-node:dev'],
      keys: [this.#key.publicJwk as NodeRecord['keys'][number]],
      startedAt: now - 3_600_000,
      seenAt: now,
      ...change,
    };
    await this.#valkey.hset(keysFor(this.#prefix).nodes, record.node, JSON.stringify(record));
  }

  /** The payload of a job that no producer knows: results learns of it from the first report. */
  payload(
    { name, spec, batchId, line, acceptedAt = Date.now() }: ScriptedJob,
    id = newJobId(),
  ): ScriptedPayload {
    const payload: QueuePayload = {
      v: 1,
      spec: jobSpec.parse({
        type: 'script',
        name,
        script: { language: 'bash', source: 'echo hello' },
        ...spec,
      }),
      tenant: 'default',
      traceId: traceIdForJob(id),
      receivedAt: acceptedAt - 3,
      acceptedAt,
      attemptBase: 0,
      postponed: 0,
      ...(batchId !== undefined && { batchId }),
      ...(line !== undefined && { line }),
    };
    return { id, payload };
  }

  /** Tells results of a batch, as a producer does. */
  async announceBatch(batchId: string, name: string, accepted: number): Promise<void> {
    const event = {
      type: 'batch',
      batchId,
      name,
      accepted,
      rejected: 0,
      complete: true,
      tenant: 'default',
      at: Date.now(),
    } satisfies FleetEvent;
    await this.#valkey.xadd(keysFor(this.#prefix).events, '*', 'event', JSON.stringify(event));
  }

  /** Reports an attempt as it stands. */
  async report(
    { id, payload }: ScriptedPayload,
    change: Partial<AttemptUpdateInput> & { attempt?: number } = {},
  ): Promise<void> {
    const attempt = change.attempt ?? 1;
    await this.#send('/internal/v1/attempts', 'application/json', [
      {
        attemptId: attemptIdOf(id, attempt),
        jobId: id,
        attempt,
        node: this.name,
        day: new Date().toISOString().slice(0, 10),
        payload,
        state: 'running',
        timeline: timelineFrom(payload.acceptedAt + 40, 'main_started'),
        ...change,
      } satisfies AttemptUpdateInput,
    ]);
  }

  /** Appends lines to an attempt's log. */
  async writeLog(
    id: string,
    lines: readonly ScriptedLine[],
    { attempt = 1, last = false }: { attempt?: number; last?: boolean } = {},
  ): Promise<void> {
    const attemptId = attemptIdOf(id, attempt);
    const at = this.#written.get(attemptId) ?? { chunk: 0, seq: 1, stdout: 0, stderr: 0 };
    this.#written.set(attemptId, at);
    const chunks = [];
    for (let from = 0; from < Math.max(1, lines.length); from += LINES_EACH) {
      const records = lines.slice(from, from + LINES_EACH).map(toRecord);
      for (const { stream, bytes } of records) at[stream] += bytes.length + 1;
      const raw = encodeRecords(records);
      chunks.push({
        header: {
          attemptId,
          day: new Date().toISOString().slice(0, 10),
          chunk: at.chunk,
          firstSeq: at.seq,
          records: records.length,
          stdoutEnd: at.stdout,
          stderrEnd: at.stderr,
          omittedBytes: 0,
          rawBytes: raw.length,
          last: last && from + LINES_EACH >= lines.length,
          time: records[0]?.time ?? Date.now(),
        },
        body: compressRecords(raw),
      });
      at.chunk += 1;
      at.seq += records.length;
    }
    for (let from = 0; from < chunks.length; from += 100) {
      await this.#send(
        '/internal/v1/logs',
        'application/octet-stream',
        encodeChunks(chunks.slice(from, from + 100)),
      );
    }
  }

  /** Stores a file as the job's first attempt does it through its sidecar. */
  async storeArtifact(jobId: string, path: string, bytes: string): Promise<void> {
    const executionId = attemptIdOf(jobId, 1);
    const iat = Math.floor(Date.now() / 1000);
    const token = await signExecutionToken(this.#key, {
      iss: this.name,
      aud: ['runtime-api', 'results'],
      sub: executionId,
      executionId,
      jobId,
      attempt: 1,
      tenant: 'default',
      jti: `jti-${executionId}`,
      iat,
      exp: iat + 600,
    });
    const response = await fetch(
      `${this.#resultsUrl}/runtime/v1/executions/${executionId}/artifacts/${encodeURIComponent(path)}`,
      { method: 'PUT', headers: { authorization: `Bearer ${token}` }, body: bytes },
    );
    const answer = await response.text();
    if (!response.ok) throw new Error(`the artifact ${path} was refused: ${response.status} ${answer}`);
  }

  async #send(path: string, type: string, body: unknown): Promise<void> {
    const response = await fetch(`${this.#resultsUrl}${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await signNodeToken(this.#key, this.name)}`,
        'content-type': type,
      },
      body: body instanceof Uint8Array ? new Uint8Array(body) : JSON.stringify(body),
    });
    const answer = await response.text();
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${answer}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#valkey.disconnect();
  }
}

/** A job's id and what travels with it. */
export interface ScriptedPayload {
  readonly id: string;
  readonly payload: QueuePayload;
}

function toRecord({ text, stream = 'stdout', at = Date.now() }: ScriptedLine): LogRecord {
  return { stream, time: at, bytes: Buffer.from(text), newline: true };
}

/** How long each moment comes after the one before, in milliseconds. */
const STEPS: readonly [TimelineMoment, number][] = [
  ['claimed', 0],
  ['network_started', 4],
  ['network_ended', 38],
  ['image_started', 1],
  ['image_ended', 6],
  ['sidecar_started', 1],
  ['sidecar_ended', 210],
  ['create_started', 1],
  ['create_ended', 34],
  ['start_started', 1],
  ['start_ended', 120],
  ['setup_started', 2],
  ['setup_ended', 90],
  ['main_started', 3],
  ['first_byte', 9],
  ['main_ended', 1400],
  ['drain_started', 1],
  ['drain_ended', 24],
  ['teardown_started', 2],
  ['teardown_ended', 130],
];

/** The usual moments of an attempt, from its claim to one of them. */
export function timelineFrom(
  claimedAt: number,
  until: TimelineMoment,
): NonNullable<AttemptUpdateInput['timeline']> {
  let at = claimedAt;
  const all = STEPS.map(([moment, afterMs]) => {
    at += afterMs;
    return { moment, at };
  });
  return all.slice(0, all.findIndex(({ moment }) => moment === until) + 1);
}
