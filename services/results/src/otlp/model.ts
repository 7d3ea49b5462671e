import { z } from 'zod';

const longText = z.union([z.string(), z.number()]);

interface AnyValue {
  readonly stringValue?: string | undefined;
  readonly boolValue?: boolean | undefined;
  readonly intValue?: string | number | undefined;
  readonly doubleValue?: string | number | undefined;
  readonly arrayValue?: { readonly values?: readonly AnyValue[] | undefined } | undefined;
  readonly kvlistValue?: { readonly values?: readonly KeyValue[] | undefined } | undefined;
  readonly bytesValue?: string | undefined;
}

interface KeyValue {
  readonly key: string;
  readonly value?: AnyValue | null | undefined;
}

const anyValue: z.ZodType<AnyValue> = z.lazy(() =>
  z.object({
    stringValue: z.string().optional(),
    boolValue: z.boolean().optional(),
    intValue: longText.optional(),
    doubleValue: longText.optional(),
    arrayValue: z.object({ values: z.array(anyValue).optional() }).optional(),
    kvlistValue: z.object({ values: z.array(keyValue).optional() }).optional(),
    bytesValue: z.string().optional(),
  }),
);
const keyValue: z.ZodType<KeyValue> = z.lazy(() =>
  z.object({ key: z.string().default(''), value: anyValue.nullish() }),
);
const attributes = z.array(keyValue).default([]);
const resource = z.object({ attributes }).default({ attributes: [] });

const span = z.object({
  traceId: z.string().default(''),
  spanId: z.string().default(''),
  parentSpanId: z.string().default(''),
  name: z.string().default(''),
  kind: z.union([z.number(), z.string()]).default(0),
  startTimeUnixNano: longText.default(0),
  endTimeUnixNano: longText.default(0),
  attributes,
  events: z
    .array(z.object({ timeUnixNano: longText.default(0), name: z.string().default(''), attributes }))
    .default([]),
  status: z
    .object({ code: z.union([z.number(), z.string()]).default(0), message: z.string().default('') })
    .default({ code: 0, message: '' }),
});
export type OtlpSpan = z.infer<typeof span>;

const logRecord = z.object({
  timeUnixNano: longText.default(0),
  observedTimeUnixNano: longText.default(0),
  severityNumber: z.union([z.number(), z.string()]).default(0),
  severityText: z.string().default(''),
  body: anyValue.nullish(),
  attributes,
  traceId: z.string().default(''),
  spanId: z.string().default(''),
});
export type OtlpLogRecord = z.infer<typeof logRecord>;

/** OTLP in its JSON encoding. Unknown fields are skipped, as the specification asks. */
export const traceRequest = z.object({
  resourceSpans: z
    .array(
      z.object({ resource, scopeSpans: z.array(z.object({ spans: z.array(span).default([]) })).default([]) }),
    )
    .default([]),
});

export const logsRequest = z.object({
  resourceLogs: z
    .array(
      z.object({
        resource,
        scopeLogs: z.array(z.object({ logRecords: z.array(logRecord).default([]) })).default([]),
      }),
    )
    .default([]),
});

/** Attributes as plain values. */
export function plainAttributes(list: readonly KeyValue[]): Record<string, unknown> {
  return Object.fromEntries(list.map(({ key, value }) => [key, plainValue(value)]));
}

export function plainValue(value: AnyValue | null | undefined): unknown {
  if (value === null || value === undefined) return null;
  if (value.stringValue !== undefined) return value.stringValue;
  if (value.boolValue !== undefined) return value.boolValue;
  if (value.intValue !== undefined) return plainNumber(value.intValue);
  if (value.doubleValue !== undefined) return plainNumber(value.doubleValue);
  if (value.arrayValue !== undefined) return (value.arrayValue.values ?? []).map(plainValue);
  if (value.kvlistValue !== undefined) return plainAttributes(value.kvlistValue.values ?? []);
  return value.bytesValue ?? null;
}

/** Integers past 2^53 and NaN stay texts: JSON has no other way to keep them. */
function plainNumber(value: string | number): number | string {
  const number = Number(value);
  if (!Number.isFinite(number)) return String(value);
  return Number.isInteger(number) && !Number.isSafeInteger(number) ? String(value) : number;
}

/** Unix nanoseconds as milliseconds with three decimals; 0 when it is not a time. */
export function nanosToMs(nanos: string | number): number {
  const text = String(nanos);
  if (!/^\d{1,20}$/.test(text)) return Number.isFinite(Number(nanos)) ? Math.max(0, Number(nanos) / 1e6) : 0;
  return Number(BigInt(text) / 1000n) / 1000;
}
