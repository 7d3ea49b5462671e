import type {
  AttemptUpdate,
  AttemptUpdateResults,
  LogAcks,
  LogChunkHeader,
  LogPosition,
} from '@cronium/contracts';
import { attemptUpdates, decodeChunks, decompressRecords, type LogRecord } from '@cronium/contracts';
import { waitFor } from '@cronium/lifecycle';
import { type ResultsClient, ResultsError } from '../report/results-client.ts';

/** A log as it was stored: its chunks stay compressed, so that a test can measure what the worker itself holds. */
class StoredLog {
  readonly headers: LogChunkHeader[] = [];
  readonly #bodies: Buffer[] = [];

  get records(): LogRecord[] {
    return this.#bodies.flatMap((body) => decompressRecords(body));
  }

  get recordCount(): number {
    return this.headers.reduce((sum, { records }) => sum + records, 0);
  }

  add(header: LogChunkHeader, body: Uint8Array): void {
    this.headers.push(header);
    this.#bodies.push(Buffer.from(body));
  }
}

/**
 * A results service that lives in this process and keeps to the internal API's promises: idempotent, ordered, and it
 * knows a newer attempt from an older one.
 */
export class ScriptedResults implements ResultsClient {
  /** All stored updates, in order. */
  readonly updates: AttemptUpdate[] = [];
  readonly logs = new Map<string, StoredLog>();
  /** The secrets that an attempt's job names. */
  secretsOf: (attemptId: string) => Promise<Readonly<Record<string, string>>> = async () => ({});
  /** While true, every call fails as if the service were away. */
  away = false;
  /** The next answers to updates of an attempt, instead of the true ones. */
  readonly answers = new Map<string, AttemptUpdateResults['results'][number]['result']>();
  /** Called before each call is answered. */
  onCall: ((call: 'updates' | 'logs') => Promise<void> | void) | undefined;
  /** Called when updates are stored and their sender has no answer yet. */
  onStored: (() => Promise<void> | void) | undefined;

  async sendUpdates(updates: readonly AttemptUpdate[], signal: AbortSignal): Promise<AttemptUpdateResults> {
    await waitFor(Promise.resolve(this.onCall?.('updates')), signal);
    this.#throwIfAway();
    const parsed = attemptUpdates.parse(JSON.parse(JSON.stringify(updates)));
    const results = parsed.map((update) => ({ attemptId: update.attemptId, result: this.#take(update) }));
    await waitFor(Promise.resolve(this.onStored?.()), signal);
    return { results };
  }

  #take(update: AttemptUpdate): AttemptUpdateResults['results'][number]['result'] {
    const answer = this.answers.get(update.attemptId);
    if (answer) return answer;
    const newest = Math.max(
      0,
      ...this.updates.filter(({ jobId }) => jobId === update.jobId).map((one) => one.attempt),
    );
    if (update.attempt < newest) return 'stale';
    const end = this.end(update.jobId);
    if (end && end.attempt < update.attempt) return 'ended';
    this.updates.push(update);
    return 'stored';
  }

  async secrets({ attemptId }: { readonly attemptId: string }): Promise<Readonly<Record<string, string>>> {
    this.#throwIfAway();
    return this.secretsOf(attemptId);
  }

  async sendLogs(frames: Buffer, signal: AbortSignal): Promise<LogAcks> {
    await waitFor(Promise.resolve(this.onCall?.('logs')), signal);
    this.#throwIfAway();
    const touched = new Set<string>();
    for (const { header, body } of decodeChunks(frames)) {
      const log = this.logs.get(header.attemptId) ?? new StoredLog();
      this.logs.set(header.attemptId, log);
      touched.add(header.attemptId);
      if (header.chunk !== log.headers.length || log.headers.at(-1)?.last) continue;
      log.add(header, body);
    }
    return {
      acks: [...touched].map((attemptId) => ({
        attemptId,
        nextChunk: this.logs.get(attemptId)?.headers.length ?? 0,
      })),
    };
  }

  async logPosition(attemptId: string): Promise<LogPosition> {
    this.#throwIfAway();
    const log = this.logs.get(attemptId);
    const last = log?.headers.at(-1);
    return {
      nextChunk: log?.headers.length ?? 0,
      nextSeq: (log?.recordCount ?? 0) + 1,
      stdoutEnd: last?.stdoutEnd ?? 0,
      stderrEnd: last?.stderrEnd ?? 0,
      complete: last?.last ?? false,
    };
  }

  async ping(): Promise<void> {
    this.#throwIfAway();
  }

  #throwIfAway(): void {
    if (this.away) throw new ResultsError('UNAVAILABLE', 'results is away');
  }

  /** The latest update of an attempt. */
  latest(attemptId: string): AttemptUpdate | undefined {
    return this.updates.findLast((update) => update.attemptId === attemptId);
  }

  /** The first final update of a job. */
  end(jobId: string): AttemptUpdate | undefined {
    return this.updates.find((update) => update.jobId === jobId && update.final);
  }

  /** What the attempt's log says, as text. */
  text(attemptId: string): string {
    const records = this.logs.get(attemptId)?.records ?? [];
    return records.map(({ bytes, newline }) => `${Buffer.from(bytes)}${newline ? '\n' : ''}`).join('');
  }

  isComplete(attemptId: string): boolean {
    return this.logs.get(attemptId)?.headers.at(-1)?.last ?? false;
  }
}
