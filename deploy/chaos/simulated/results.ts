import {
  type AttemptUpdate,
  type AttemptUpdateResults,
  attemptIdOf,
  decodeChunks,
  decompressRecords,
  isTerminal,
  type LogAcks,
  type LogPosition,
  type QueuePayload,
} from '@cronium/contracts';
import type { AttemptFacts, JobFacts } from '../../../services/results/src/ingest/fold.ts';
import { Fold } from '../../../services/results/src/ingest/fold-updates.ts';
import { takeInOrder } from '../../../services/results/src/ingest/log-order.ts';
import type { KnownJob } from '../../../services/results/src/queries/attempts-write.ts';
import type { ResultsClient } from '../../../services/worker/src/report/results-client.ts';
import type { SimulatedValkey } from './valkey.ts';
import type { Wire } from './wire.ts';

type Position = Parameters<typeof takeInOrder>[0];

/**
 * What results has stored, in memory. Every decision is the real one: which update counts, what a job becomes by it, which
 * chunk is taken.
 */
export class SimulatedResults {
  readonly jobs = new Map<string, JobFacts>();
  readonly attempts = new Map<string, AttemptFacts>();
  /** Jobs whose terminal state was changed into another. */
  readonly reversals: string[] = [];
  readonly #positions = new Map<string, Position>();
  readonly #texts = new Map<string, string[]>();

  /** The accepted event came. */
  accept(jobId: string, { acceptedAt }: Pick<QueuePayload, 'acceptedAt'>): void {
    if (this.jobs.has(jobId)) return;
    this.jobs.set(jobId, { state: 'queued', attempt: 0, settledAttempt: 0, stayMs: acceptedAt });
  }

  /** The cancel event came: a job that waits ends, one that a worker holds is left to it. */
  cancel(jobId: string, valkey: SimulatedValkey): void {
    const job = this.jobs.get(jobId);
    if (job?.state !== 'queued') return;
    for (const queue of valkey.queues.values()) if (queue.remove(jobId) === 'active') return;
    this.#change(jobId, { ...job, state: 'cancelled' });
  }

  ingest(updates: readonly AttemptUpdate[]): AttemptUpdateResults {
    for (const { jobId, payload } of updates) this.accept(jobId, payload);
    const fold = new Fold(this.#known(updates));
    const results = updates.map((update) => fold.apply(update));
    const { attempts, changes } = fold.written();
    for (const facts of attempts) this.attempts.set(facts.id, facts);
    for (const { id, state, attempt, settled_attempt, stay_ms } of changes) {
      this.#change(id, {
        state: state as JobFacts['state'],
        attempt,
        settledAttempt: settled_attempt,
        stayMs: stay_ms,
      });
    }
    return { results };
  }

  store(frames: Buffer): LogAcks {
    const touched = new Set<string>();
    for (const chunk of decodeChunks(frames)) {
      const { attemptId } = chunk.header;
      touched.add(attemptId);
      const text = this.#texts.get(attemptId) ?? [];
      this.#texts.set(attemptId, text);
      for (const { body } of takeInOrder(this.#position(attemptId), [chunk])) {
        for (const { bytes, newline } of decompressRecords(body)) {
          text.push(`${Buffer.from(bytes)}${newline ? '\n' : ''}`);
        }
      }
    }
    return {
      acks: [...touched].map((attemptId) => ({
        attemptId,
        nextChunk: this.#position(attemptId).next_chunk,
      })),
    };
  }

  position(attemptId: string): LogPosition {
    const { next_chunk, next_seq, stdout_end, stderr_end, complete } = this.#position(attemptId);
    return {
      ...{ nextChunk: next_chunk, nextSeq: next_seq, complete },
      ...{ stdoutEnd: stdout_end, stderrEnd: stderr_end },
    };
  }

  text(attemptId: string): string {
    return (this.#texts.get(attemptId) ?? []).join('');
  }

  attemptsOf(jobId: string): AttemptFacts[] {
    const count = this.jobs.get(jobId)?.attempt ?? 0;
    return Array.from({ length: count }, (_, index) => attemptIdOf(jobId, index + 1)).flatMap(
      (id) => this.attempts.get(id) ?? [],
    );
  }

  #known(updates: readonly AttemptUpdate[]): KnownJob[] {
    const ids = updates.flatMap(({ attemptId, jobId, attempt, lostAttempts }) => [
      ...[attemptId, attemptIdOf(jobId, this.jobs.get(jobId)?.attempt ?? attempt)],
      ...lostAttempts.map((lost) => attemptIdOf(jobId, lost)),
    ]);
    const attempts = [...new Set(ids)].flatMap((id) => this.attempts.get(id) ?? []);
    return [...new Set(updates.map(({ jobId }) => jobId))].flatMap((id) => {
      const job = this.jobs.get(id);
      if (job === undefined) return [];
      const { state, attempt, settledAttempt: settled_attempt, stayMs: stay_ms } = job;
      const own = attempts.filter(({ jobId }) => jobId === id);
      return [{ id, state, attempt, settled_attempt, stay_ms, changed: '0', attempts: own }];
    });
  }

  #change(jobId: string, job: JobFacts): void {
    const before = this.jobs.get(jobId);
    if (before !== undefined && isTerminal(before.state) && before.state !== job.state) {
      this.reversals.push(`${jobId}: ${before.state}, then ${job.state}`);
    }
    this.jobs.set(jobId, job);
  }

  #position(attemptId: string): Position {
    const known = this.#positions.get(attemptId);
    if (known !== undefined) return known;
    const position = {
      ...{ attempt_id: attemptId, day: '', later_days: [], next_chunk: 0, next_seq: 1 },
      ...{ stdout_end: 0, stderr_end: 0, omitted_bytes: 0, complete: false },
    };
    this.#positions.set(attemptId, position);
    return position;
  }
}

/** Results as a worker reaches it over a wire. */
export function simulatedResultsClient(results: SimulatedResults, wire: Wire): ResultsClient {
  return {
    // As it stood when it was sent.
    sendUpdates: (updates, signal) => {
      const sent = JSON.parse(JSON.stringify(updates)) as typeof updates;
      return wire.ask(() => results.ingest(sent), { signal });
    },
    sendLogs: (frames, signal) => wire.ask(() => results.store(frames), { signal }),
    logPosition: (attemptId, signal) => wire.ask(() => results.position(attemptId), { signal }),
    secrets: () => wire.ask(() => ({})),
    ping: () => wire.ask(() => undefined),
  };
}
