import { fleetEvent, type Keys, readRecord } from '@cronium/contracts';
import type { Redis } from 'ioredis';
import type { BatchRow } from '../queries/batches-read.ts';

const PAGE = 500;
/** Events that are looked through; results is seldom further behind, and then the batch shows up a little later. */
const MOST = 20_000;

/** A batch that producers have announced and results has not stored yet. */
export async function announcedBatch(
  valkey: Redis,
  keys: Keys,
  batchId: string,
): Promise<BatchRow | undefined> {
  let end = '+';
  for (let seen = 0; seen < MOST; seen += PAGE) {
    const entries = await valkey.xrevrange(keys.events, end, '-', 'COUNT', PAGE);
    for (const [, fields] of entries) {
      const text = fields[fields.indexOf('event') + 1] ?? '';
      if (!text.includes(batchId)) continue;
      const event = readRecord(fleetEvent, text);
      if (event?.type === 'batch' && event.batchId === batchId) return rowOf(event);
    }
    const last = entries.at(-1);
    if (last === undefined || entries.length < PAGE) return undefined;
    end = `(${last[0]}`;
  }
  return undefined;
}

function rowOf(event: {
  batchId: string;
  tenant: string;
  name?: string | undefined;
  accepted: number;
  rejected: number;
  complete: boolean;
  at: number;
}): BatchRow {
  return {
    id: event.batchId,
    tenant: event.tenant,
    name: event.name ?? null,
    accepted: event.accepted,
    rejected: event.rejected,
    complete: event.complete,
    created_ms: event.at,
    event_ms: event.at,
    cancelled_by: null,
    cancelled_ms: null,
  };
}
