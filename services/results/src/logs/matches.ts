import { stripVTControlCharacters } from 'node:util';
import { attemptIdOf, decompressRecords, type LogMatches, type LogRecord } from '@cronium/contracts';
import type { Kysely } from 'kysely';
import { withRetry } from '../db/retry.ts';
import type { Database } from '../db/schema.ts';
import type { Changes } from '../live/changes.ts';
import { chunkAt, logStanding, readChunks } from '../queries/logs-read.ts';
import { isWanted, type LogRequest, readLog } from './read.ts';

/** What to look for in a log. */
export interface MatchRequest extends Pick<LogRequest, 'jobId' | 'attempt' | 'stream' | 'signal'> {
  /** A part of the line, in any case, as a person sees it: without colours. */
  readonly text?: string | undefined;
  /** Only lines behind this one. */
  readonly after: number;
}

/** One answer stays small and comes soon; the search goes on with the next one. */
const MAX_RUNS = 10_000;
const MAX_LINES = 10_000;

/** Finds lines by their stream and text. Neighbours are told as one run, so that a whole stream is a short answer. */
export async function findMatches(
  store: { db: Kysely<Database>; changes: Changes },
  { jobId, attempt, stream, text = '', after, signal }: MatchRequest,
): Promise<LogMatches> {
  const request = { jobId, attempt, stream: undefined, after, follow: false, signal };
  const needle = text.toLowerCase();
  const runs: [number, number][] = [];
  let searched = after;
  for await (const records of readLog(store, request)) {
    for (const { seq, record } of records) {
      searched = seq;
      if (!isWanted(record, stream) || !holds(record, needle)) continue;
      const last = runs.at(-1);
      if (last !== undefined && last[1] === seq - 1) last[1] = seq;
      else runs.push([seq, seq]);
    }
    if (runs.length >= MAX_RUNS || searched - after >= MAX_LINES) return { runs, searched, complete: false };
  }
  return { runs, searched, complete: true };
}

const ESCAPE = 27;

/** The first line that was written at or after a time, the last one when none was; 0 when there is no line. */
export async function lineAt(
  { db }: { db: Kysely<Database> },
  { jobId, attempt, timeMs }: { jobId: string; attempt: number; timeMs: number },
): Promise<number> {
  const attemptId = attemptIdOf(jobId, attempt);
  const { days } = await withRetry(() => logStanding(db, { jobId, attempt, attemptId }));
  if (days.length === 0) return 0;
  const chunk = await withRetry(() => chunkAt(db, { attemptId, days, timeMs }));
  if (chunk === undefined) return 0;
  const at = { attemptId, days, afterSeq: 0, afterChunk: chunk - 1 };
  let last = 0;
  for await (const { first_seq, body } of readChunks(db, at)) {
    for (const [index, record] of decompressRecords(body).entries()) {
      last = first_seq + index;
      if (record.time >= timeMs) return last;
    }
  }
  return last;
}

function holds({ bytes }: LogRecord, needle: string): boolean {
  if (needle === '') return true;
  const raw = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  const seen = bytes.includes(ESCAPE) ? stripVTControlCharacters(raw) : raw;
  return seen.toLowerCase().includes(needle);
}
