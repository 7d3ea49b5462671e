import type { AuditEntry, AuditPage } from '@cronium/contracts';
import type { CallOptions } from './client.ts';
import { readChunks, readNdjson } from './ndjson.ts';
import { type Query, queryOf } from './query.ts';
import type { Call, Transport } from './transport.ts';

/** Which entries of the audit log to read. All must hold. */
export interface AuditOptions extends CallOptions {
  /** The name of an API key. */
  readonly actor?: string;
  /** `job.submit`, or `job` for all that is done to jobs. */
  readonly action?: string;
  readonly target?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit?: number;
}

const PAGE_SIZE = 100;

/** The audit log, for admins. */
export class AuditClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Entries, newest first; pages are fetched as they are needed. */
  async *entries(options: AuditOptions = {}): AsyncGenerator<AuditEntry> {
    const { signal, limit = Number.POSITIVE_INFINITY, ...filter } = options;
    let cursor: string | undefined;
    for (let left = limit; left > 0; ) {
      const query = { ...filter, limit: Math.min(left, PAGE_SIZE), cursor };
      const page = await this.#transport.json<AuditPage>(read(query, signal));
      yield* page.entries;
      if (page.cursor === null) return;
      cursor = page.cursor;
      left -= page.entries.length;
    }
  }

  /** All entries, oldest first. */
  async *export(options: Omit<AuditOptions, 'limit'> = {}): AsyncGenerator<AuditEntry> {
    const { signal, ...filter } = options;
    const stream = await this.#transport.stream({
      ...read({ ...filter }, signal),
      headers: { accept: 'application/x-ndjson' },
    });
    yield* readNdjson<AuditEntry>(readChunks(stream, { signal }));
  }
}

function read(query: Query, signal: AbortSignal | undefined): Call {
  const path = `/v1/audit${queryOf(query)}`;
  return { service: 'results', method: 'GET', path, repeatable: true, signal };
}
