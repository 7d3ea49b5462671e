import { isUtf8 } from 'node:buffer';
import type { LogLine } from '@cronium/contracts';
import type { NumberedRecord } from './read.ts';

/** A way to write records down. */
export interface LogFormat {
  readonly contentType: string;
  /** Records as they are sent; an empty list is a heartbeat. `undefined`: nothing is sent. */
  write(records: readonly NumberedRecord[]): Buffer | undefined;
}

const NEWLINE = Buffer.from('\n');

/** The job's own bytes, exactly. A notice of the fleet stands on a line of its own. */
const text: LogFormat = {
  contentType: 'text/plain; charset=utf-8',
  write(records) {
    if (records.length === 0) return undefined;
    return Buffer.concat(
      records.flatMap(({ record }) => (record.newline ? [record.bytes, NEWLINE] : [record.bytes])),
    );
  },
};

const ndjson: LogFormat = {
  contentType: 'application/x-ndjson',
  write(records) {
    if (records.length === 0) return NEWLINE;
    return Buffer.from(records.map((one) => `${JSON.stringify(toLine(one))}\n`).join(''));
  },
};

/** Each line is an event whose id is its number: a browser that connects again sends it as Last-Event-ID. */
const sse: LogFormat = {
  contentType: 'text/event-stream',
  write(records) {
    if (records.length === 0) return Buffer.from(': still here\n\n');
    return Buffer.from(
      records.map((one) => `id: ${one.seq}\ndata: ${JSON.stringify(toLine(one))}\n\n`).join(''),
    );
  },
};

/** The format that an Accept header asks for: text unless it names another. */
export function logFormat(accept: string | undefined): LogFormat {
  const wanted = accept?.toLowerCase() ?? '';
  if (wanted.includes('text/event-stream')) return sse;
  return wanted.includes('ndjson') || wanted.includes('application/json') ? ndjson : text;
}

function toLine({ seq, record }: NumberedRecord): LogLine {
  const bytes = Buffer.from(record.bytes.buffer, record.bytes.byteOffset, record.bytes.byteLength);
  const line: LogLine = {
    seq,
    time: new Date(record.time).toISOString(),
    stream: record.notice ? 'fleet' : record.stream,
    text: bytes.toString('utf8'),
  };
  if (!isUtf8(bytes)) line.base64 = bytes.toString('base64');
  if (!record.newline) line.partial = true;
  return line;
}
