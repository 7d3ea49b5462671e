import type { AuditEntry, AuditPage } from '@cronium/contracts';
import type { CallOptions } from './client.ts';
import { readChunks, readNdjson } from './ndjson.ts';
import { entriesOf } from './pages.ts';
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

/** The audit log, for admins. */
export class AuditClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Entries, newest first; pages are fetched as they are needed. */
  async *entries(options: AuditOptions = {}): AsyncGenerator<AuditEntry> {
    const { signal, limit = Number.POSITIVE_INFINITY, ...filter } = options;
    yield* entriesOf(limit, (page) => this.page({ ...filter, ...page, ...(signal && { signal }) }));
  }

  /** A page of entries, newest first. */
  page({
    signal,
    ...query
  }: AuditOptions & { readonly cursor?: string | undefined } = {}): Promise<AuditPage> {
    return this.#transport.json(read(query, signal));
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
