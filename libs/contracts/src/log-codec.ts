import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { z } from 'zod';
import { ATTEMPT_ID } from './ids.ts';

/**
 * Logs travel and rest as chunks. A chunk's body is the zstd of records, one after the other:
 *
 * ```text
 * u8  flags     bit 0: stderr (else stdout); bit 1: ends with a newline that is not in `bytes`; bit 2: a notice of the fleet
 * f64 time      Unix ms at which the worker read the record's first byte, big endian
 * u32 length    of bytes, big endian
 * ... bytes     as the job wrote them
 * ```
 *
 * A record is one line. It lacks bit 1 when the job ended without a last newline, or when a line is longer than
 * {@link MAX_RECORD_BYTES} and is stored in pieces. Concatenating bytes (and "\n" for bit 1) of all records of a stream
 * gives exactly what the job wrote to it, unless bytes were omitted, which a notice record states with their number.
 */
export interface LogRecord {
  readonly stream: 'stdout' | 'stderr';
  readonly time: number;
  readonly bytes: Uint8Array;
  /** Did a newline follow? */
  readonly newline: boolean;
  /** Written by the fleet and not by the job, such as a count of omitted bytes. */
  readonly notice?: boolean;
}

export const MAX_RECORD_BYTES = 2 * 1024 * 1024;
/** A chunk is closed when its records reach this many bytes; with one long record it can be larger. */
export const CHUNK_TARGET_BYTES = 256 * 1024;
export const MAX_CHUNK_BYTES = CHUNK_TARGET_BYTES + MAX_RECORD_BYTES + 64;

const HEADER_BYTES = 13;
const FLAG = { stderr: 1, newline: 2, notice: 4 } as const;

/** What comes before a chunk's body on the wire, and beside it in the database. */
export const logChunkHeader = z.strictObject({
  attemptId: z.string().regex(ATTEMPT_ID),
  /** See AttemptUpdate.day. Only results of former versions store by it. */
  day: z.iso.date(),
  /** 0, 1, 2, … without gaps within an attempt. */
  chunk: z.int().nonnegative(),
  /** The sequence number of the first record; records count from 1 within an attempt. */
  firstSeq: z.int().positive(),
  records: z.int().nonnegative(),
  /** How many bytes of each of the job's streams are stored or counted as omitted once this chunk is. */
  stdoutEnd: z.int().nonnegative(),
  stderrEnd: z.int().nonnegative(),
  /** Bytes left out within this chunk because of the cap. */
  omittedBytes: z.int().nonnegative(),
  /** Uncompressed length of the body. */
  rawBytes: z.int().nonnegative(),
  /** Nothing follows: the log is complete. */
  last: z.boolean(),
  /** Time of the first record, Unix ms; of the chunk's making when it has none. */
  time: z.number().nonnegative(),
});
export type LogChunkHeader = z.infer<typeof logChunkHeader>;

export interface LogChunk {
  readonly header: LogChunkHeader;
  /** zstd. */
  readonly body: Uint8Array;
}

/** Thrown when bytes are not log records or frames. */
export class LogFormatError extends Error {
  override readonly name = 'LogFormatError';
  readonly code = 'LOG_FORMAT';
}

export function encodedRecordBytes(record: LogRecord): number {
  return HEADER_BYTES + record.bytes.length;
}

/** Serialises records, uncompressed. */
export function encodeRecords(records: readonly LogRecord[]): Buffer {
  const buffer = Buffer.allocUnsafe(records.reduce((sum, record) => sum + encodedRecordBytes(record), 0));
  let at = 0;
  for (const record of records) {
    const flags =
      (record.stream === 'stderr' ? FLAG.stderr : 0) |
      (record.newline ? FLAG.newline : 0) |
      (record.notice ? FLAG.notice : 0);
    at = buffer.writeUInt8(flags, at);
    at = buffer.writeDoubleBE(record.time, at);
    at = buffer.writeUInt32BE(record.bytes.length, at);
    buffer.set(record.bytes, at);
    at += record.bytes.length;
  }
  return buffer;
}

/**
 * Reads records, uncompressed. The bytes of each are views of `buffer`.
 * @throws LogFormatError when the buffer ends within a record
 */
export function decodeRecords(buffer: Buffer): LogRecord[] {
  const records: LogRecord[] = [];
  let at = 0;
  while (at < buffer.length) {
    if (at + HEADER_BYTES > buffer.length)
      throw new LogFormatError('the log chunk ends within a record header');
    const flags = buffer.readUInt8(at);
    const time = buffer.readDoubleBE(at + 1);
    const length = buffer.readUInt32BE(at + 9);
    at += HEADER_BYTES;
    if (at + length > buffer.length) throw new LogFormatError('the log chunk ends within a record');
    const bytes = buffer.subarray(at, at + length);
    at += length;
    const stream = (flags & FLAG.stderr) !== 0 ? 'stderr' : 'stdout';
    const base = { stream, time, bytes, newline: (flags & FLAG.newline) !== 0 } as const;
    records.push((flags & FLAG.notice) !== 0 ? { ...base, notice: true } : base);
  }
  return records;
}

export function compressRecords(raw: Uint8Array): Buffer {
  if (raw.length === 0) {
    nothing ??= zstdCompressSync(raw);
    return nothing;
  }
  // Told the size, it makes no tables for megabytes: most chunks have some hundred bytes.
  const chunkSize = Math.min(MOST_AT_ONCE, Math.max(LEAST_AT_ONCE, raw.length));
  return zstdCompressSync(raw, { pledgedSrcSize: raw.length, chunkSize });
}

/** Most logs end with a chunk that holds nothing. */
let nothing: Buffer | undefined;

/** What is compressed comes in pieces of so many bytes. */
const LEAST_AT_ONCE = 1024;
const MOST_AT_ONCE = 64 * 1024;

/** @throws LogFormatError when the body is not zstd of at most {@link MAX_CHUNK_BYTES} of records */
export function decompressRecords(body: Uint8Array): LogRecord[] {
  let raw: Buffer;
  try {
    raw = zstdDecompressSync(body, { maxOutputLength: MAX_CHUNK_BYTES * 2 });
  } catch (error) {
    throw new LogFormatError('the log chunk cannot be decompressed', { cause: error });
  }
  return decodeRecords(raw);
}

/**
 * Serialises chunks for `POST /internal/v1/logs`: for each, u32 length of the header's JSON, the JSON, u32 length of the
 * body, the body; big endian.
 */
export function encodeChunks(chunks: readonly LogChunk[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const { header, body } of chunks) {
    const json = Buffer.from(JSON.stringify(header));
    parts.push(u32(json.length), json, u32(body.length), body);
  }
  return Buffer.concat(parts);
}

function u32(value: number): Buffer {
  const buffer = Buffer.allocUnsafe(4);
  buffer.writeUInt32BE(value);
  return buffer;
}

/** @throws LogFormatError when the frames are cut off, or a header is not a LogChunkHeader */
export function decodeChunks(buffer: Buffer): LogChunk[] {
  const chunks: LogChunk[] = [];
  let at = 0;
  const take = (): Buffer => {
    if (at + 4 > buffer.length) throw new LogFormatError('the frames end within a length');
    const length = buffer.readUInt32BE(at);
    if (at + 4 + length > buffer.length) throw new LogFormatError('the frames end within a frame');
    const part = buffer.subarray(at + 4, at + 4 + length);
    at += 4 + length;
    return part;
  };
  while (at < buffer.length) {
    const header = logChunkHeader.safeParse(parseJsonText(take().toString('utf8')));
    if (!header.success)
      throw new LogFormatError(`a log chunk's header is wrong: ${z.prettifyError(header.error)}`);
    chunks.push({ header: header.data, body: take() });
  }
  return chunks;
}

function parseJsonText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new LogFormatError("a log chunk's header is not JSON", { cause: error });
  }
}

/** `POST /internal/v1/logs` answers this after the commit: per attempt, the number of the chunk to send next. */
export const logAcks = z.strictObject({
  acks: z.array(z.strictObject({ attemptId: z.string(), nextChunk: z.int().nonnegative() })),
});
export type LogAcks = z.infer<typeof logAcks>;

/** `GET /internal/v1/attempts/{attemptId}/log-position`: where a worker resumes an attempt's log. */
export const logPosition = z.strictObject({
  nextChunk: z.int().nonnegative(),
  nextSeq: z.int().positive(),
  stdoutEnd: z.int().nonnegative(),
  stderrEnd: z.int().nonnegative(),
  complete: z.boolean(),
});
export type LogPosition = z.infer<typeof logPosition>;
