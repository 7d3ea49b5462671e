import {
  CHUNK_TARGET_BYTES,
  compressRecords,
  encodedRecordBytes,
  encodeRecords,
  type LogRecord,
  MAX_CHUNK_BYTES,
} from '@cronium/contracts';

/** Compressed records that have no place in their attempt's log yet. */
export interface Packed {
  readonly body: Uint8Array;
  readonly records: number;
  readonly rawBytes: number;
  /** The job's own bytes in it, by stream, those that are missing counted in; notices do not count. */
  readonly stdout: number;
  readonly stderr: number;
  /** How many of them are missing. */
  readonly omitted: number;
  readonly time: number;
}

/** The job's own bytes of a record: a newline counts, a notice of the fleet does not. */
export function jobBytes(record: LogRecord): number {
  return record.notice ? 0 : record.bytes.length + (record.newline ? 1 : 0);
}

/** Collects records until they are worth a chunk. */
export class ChunkBuilder {
  readonly #targetBytes: number;
  #records: LogRecord[] = [];
  #rawBytes = 0;
  #missing = { stdout: 0, stderr: 0 };

  constructor(targetBytes: number = CHUNK_TARGET_BYTES) {
    this.#targetBytes = targetBytes;
  }

  get isEmpty(): boolean {
    return this.#records.length === 0;
  }

  /**
   * Adds a record.
   * @param missingBytes so many bytes of its stream were lost before it; they count in the stream's position
   * @returns what was packed because of it
   */
  add(record: LogRecord, missingBytes = 0): Packed | undefined {
    const bytes = encodedRecordBytes(record);
    const full = this.#rawBytes + bytes > MAX_CHUNK_BYTES ? this.take() : undefined;
    this.#records.push(record);
    this.#missing[record.stream] += missingBytes;
    this.#rawBytes += bytes;
    if (full) return full;
    return this.#rawBytes >= this.#targetBytes ? this.take() : undefined;
  }

  /** Packs what is there, even nothing. */
  take(): Packed {
    const records = this.#records;
    const rawBytes = this.#rawBytes;
    const missing = this.#missing;
    this.#records = [];
    this.#missing = { stdout: 0, stderr: 0 };
    this.#rawBytes = 0;
    const sum = (stream: LogRecord['stream']) =>
      records.reduce(
        (total, record) => total + (record.stream === stream ? jobBytes(record) : 0),
        missing[stream],
      );
    return {
      body: compressRecords(encodeRecords(records)),
      records: records.length,
      rawBytes,
      stdout: sum('stdout'),
      stderr: sum('stderr'),
      omitted: missing.stdout + missing.stderr,
      time: records[0]?.time ?? Date.now(),
    };
  }
}
