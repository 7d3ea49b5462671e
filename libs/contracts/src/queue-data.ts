import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { z } from 'zod';
import type { QueuePayload } from './attempts.ts';

/** A spec whose JSON is longer than this is compressed: shorter ones gain nothing worth the time. */
export const PLAIN_SPEC_LENGTH = 2048;
/** What a compressed spec may expand to; the longest job is a fraction of it. */
const MAX_SPEC_BYTES = 64 * 1024 * 1024;

const packed = z.looseObject({ specZstd: z.string() });

/**
 * A payload as BullMQ's job holds it: its JSON, in which a long spec stands compressed, as base64 of zstd under `specZstd`
 * instead of `spec`. {@link readQueueData} reads both.
 * @param specJson `JSON.stringify(payload.spec)`, from who has it already
 */
export function queueData(payload: QueuePayload, specJson = JSON.stringify(payload.spec)): string {
  const { spec: _, ...rest } = payload;
  return `{${specField(specJson)},${JSON.stringify(rest).slice(1)}`;
}

function specField(json: string): string {
  if (json.length > PLAIN_SPEC_LENGTH) {
    const bytes = Buffer.from(json);
    const text = zstdCompressSync(bytes, {
      params: { [constants.ZSTD_c_compressionLevel]: 1 },
      pledgedSrcSize: bytes.length,
    }).toString('base64');
    if (text.length < bytes.length) return `"specZstd":"${text}"`;
  }
  return `"spec":${json}`;
}

/**
 * Parses what {@link queueData} made; what it is like is not checked.
 * @throws Error when it is not JSON, or its spec cannot be decompressed
 */
export function readQueueData(text: string): unknown {
  const value: unknown = JSON.parse(text);
  const { success, data } = packed.safeParse(value);
  if (!success) return value;
  const { specZstd, ...rest } = data;
  const spec = zstdDecompressSync(Buffer.from(specZstd, 'base64'), { maxOutputLength: MAX_SPEC_BYTES });
  return { ...rest, spec: JSON.parse(spec.toString()) };
}
