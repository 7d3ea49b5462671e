import { createRequire } from 'node:module';
import type * as protobuf from 'protobufjs';

// The light build has no parser for .proto files and needs no file system; it is CommonJS.
const { Reader, Root }: typeof protobuf = createRequire(import.meta.url)('protobufjs/light.js');

type Fields = Record<string, { id: number; type: string; rule?: string }>;

/** `repeated Span spans = 2` as `['spans', 2, 'Span', 'repeated']`. */
function message(...fields: [name: string, id: number, type: string, rule?: string][]): { fields: Fields } {
  return {
    fields: Object.fromEntries(
      fields.map(([name, id, type, rule]) => [name, rule === undefined ? { id, type } : { id, type, rule }]),
    ),
  };
}

/**
 * The part of OTLP 1.x that is read and answered here
 * (https://github.com/open-telemetry/opentelemetry-proto). Unknown fields are skipped.
 */
const root = Root.fromJSON({
  nested: {
    AnyValue: {
      oneofs: {
        value: {
          oneof: [
            'stringValue',
            'boolValue',
            'intValue',
            'doubleValue',
            'arrayValue',
            'kvlistValue',
            'bytesValue',
          ],
        },
      },
      ...message(
        ['stringValue', 1, 'string'],
        ['boolValue', 2, 'bool'],
        ['intValue', 3, 'int64'],
        ['doubleValue', 4, 'double'],
        ['arrayValue', 5, 'ArrayValue'],
        ['kvlistValue', 6, 'KeyValueList'],
        ['bytesValue', 7, 'bytes'],
      ),
    },
    ArrayValue: message(['values', 1, 'AnyValue', 'repeated']),
    KeyValueList: message(['values', 1, 'KeyValue', 'repeated']),
    KeyValue: message(['key', 1, 'string'], ['value', 2, 'AnyValue']),
    Resource: message(['attributes', 1, 'KeyValue', 'repeated']),
    Scope: message(['name', 1, 'string'], ['version', 2, 'string']),
    Event: message(
      ['timeUnixNano', 1, 'fixed64'],
      ['name', 2, 'string'],
      ['attributes', 3, 'KeyValue', 'repeated'],
    ),
    Status: message(['message', 2, 'string'], ['code', 3, 'int32']),
    Span: message(
      ['traceId', 1, 'bytes'],
      ['spanId', 2, 'bytes'],
      ['parentSpanId', 4, 'bytes'],
      ['name', 5, 'string'],
      ['kind', 6, 'int32'],
      ['startTimeUnixNano', 7, 'fixed64'],
      ['endTimeUnixNano', 8, 'fixed64'],
      ['attributes', 9, 'KeyValue', 'repeated'],
      ['events', 11, 'Event', 'repeated'],
      ['status', 15, 'Status'],
    ),
    ScopeSpans: message(['scope', 1, 'Scope'], ['spans', 2, 'Span', 'repeated']),
    ResourceSpans: message(['resource', 1, 'Resource'], ['scopeSpans', 2, 'ScopeSpans', 'repeated']),
    TraceRequest: message(['resourceSpans', 1, 'ResourceSpans', 'repeated']),
    LogRecord: message(
      ['timeUnixNano', 1, 'fixed64'],
      ['severityNumber', 2, 'int32'],
      ['severityText', 3, 'string'],
      ['body', 5, 'AnyValue'],
      ['attributes', 6, 'KeyValue', 'repeated'],
      ['traceId', 9, 'bytes'],
      ['spanId', 10, 'bytes'],
      ['observedTimeUnixNano', 11, 'fixed64'],
    ),
    ScopeLogs: message(['scope', 1, 'Scope'], ['logRecords', 2, 'LogRecord', 'repeated']),
    ResourceLogs: message(['resource', 1, 'Resource'], ['scopeLogs', 2, 'ScopeLogs', 'repeated']),
    LogsRequest: message(['resourceLogs', 1, 'ResourceLogs', 'repeated']),
    // Rejected spans and rejected log records have the same number.
    PartialSuccess: message(['rejected', 1, 'int64'], ['errorMessage', 2, 'string']),
    Response: message(['partialSuccess', 1, 'PartialSuccess']),
  },
});

export type OtlpRequestType = 'TraceRequest' | 'LogsRequest';

/** Reads so many fields, and no more: one of two bytes can become an object of hundreds. */
class BoundedReader extends Reader {
  #left: number;

  constructor(bytes: Uint8Array, most: number) {
    super(bytes);
    this.#left = most;
  }

  override tag(): number {
    if (this.#left-- === 0) throw new Error('it has too many fields; send fewer at a time');
    return super.tag();
  }
}

/**
 * Reads a protobuf request into the form of its JSON encoding, but with byte fields as base64.
 * @param maxFields how many fields it may have, in all its messages
 * @throws Error when the bytes are not such a message
 */
export function decodeProtobuf(type: OtlpRequestType, bytes: Uint8Array, maxFields: number): unknown {
  const lookup = root.lookupType(type);
  const message = lookup.decode(new BoundedReader(bytes, maxFields));
  return lookup.toObject(message, { longs: String, bytes: String });
}

/** The protobuf answer. */
export function encodeResponse(rejected: number, errorMessage: string): Uint8Array {
  const type = root.lookupType('Response');
  return type
    .encode(type.fromObject(rejected === 0 ? {} : { partialSuccess: { rejected, errorMessage } }))
    .finish();
}

/** For tests: a request in protobuf. */
export function encodeRequest(type: OtlpRequestType, value: Record<string, unknown>): Uint8Array {
  const lookup = root.lookupType(type);
  return lookup.encode(lookup.fromObject(value)).finish();
}
