import type {
  ArtifactView,
  BatchFailures,
  BatchView,
  LogLine,
  LogLineAt,
  LogMatches,
  OverviewView,
  SessionView,
} from '@cronium/contracts';
import type { CallOptions } from './client.ts';
import { readChunks, readNdjson } from './ndjson.ts';
import { entriesOf } from './pages.ts';
import { type Query, queryOf } from './query.ts';
import type { Transport } from './transport.ts';

/** Which lines of an attempt's log to read. */
export interface LogRange extends CallOptions {
  readonly attempt: number;
  /** Only lines behind this one. */
  readonly after: number;
  /** At most so many. */
  readonly limit: number;
}

/** What to look for in an attempt's log. */
export interface LogSearch extends CallOptions {
  readonly attempt: number;
  readonly stream?: 'stdout' | 'stderr' | 'fleet' | undefined;
  /** A part of the line, in any case. */
  readonly text?: string | undefined;
  /** Only lines behind this one: where the last answer ended. */
  readonly after?: number;
}

/** Whose artifacts to look at; without an attempt the newest one's. */
export interface ArtifactOptions extends CallOptions {
  readonly attempt?: number;
}

/** A page of batches, newest first. */
export interface BatchPage {
  readonly batches: readonly BatchView[];
  readonly cursor: string | null;
}

/** What people look at: sums, pages and ranges. */
export class ExploreClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Who the key, or the cookie, belongs to. @throws CroniumApiError 401 when to nobody */
  session(options: CallOptions = {}): Promise<SessionView> {
    return this.#get('/v1/session', {}, options);
  }

  /** How the fleet did in the last minutes, and how it stands. */
  overview(minutes: number, options: CallOptions = {}): Promise<OverviewView> {
    return this.#get('/v1/overview', { minutes }, options);
  }

  batches(
    page: { limit?: number; cursor?: string | undefined },
    options: CallOptions = {},
  ): Promise<BatchPage> {
    return this.#get('/v1/batches', page, options);
  }

  /** Batches, newest first, at most `limit`; pages are fetched as they are needed. */
  async *everyBatch({ limit, ...options }: CallOptions & { limit: number }): AsyncGenerator<BatchView> {
    yield* entriesOf(limit, async (page) => {
      const { batches, cursor } = await this.batches(page, options);
      return { entries: batches, cursor };
    });
  }

  /** The jobs of a batch that did not succeed, by what ended them. */
  batchFailures(id: string, options: CallOptions = {}): Promise<BatchFailures> {
    return this.#get(`/v1/batches/${encodeURIComponent(id)}/failures`, {}, options);
  }

  /** Some lines of a log, by their numbers. */
  async logLines(id: string, { attempt, after, limit, signal }: LogRange): Promise<LogLine[]> {
    const stream = await this.#transport.stream({
      service: 'results',
      method: 'GET',
      path: `/v1/jobs/${encodeURIComponent(id)}/logs${queryOf({ attempt, after, limit })}`,
      headers: { accept: 'application/x-ndjson' },
      repeatable: true,
      signal,
    });
    const lines: LogLine[] = [];
    for await (const line of readNdjson<LogLine>(readChunks(stream, { signal }))) lines.push(line);
    return lines;
  }

  /** Which lines a search finds. Not `complete`: ask again with `after` set to `searched`. */
  logMatches(id: string, { signal, ...search }: LogSearch): Promise<LogMatches> {
    const path = `/v1/jobs/${encodeURIComponent(id)}/logs/matches`;
    return this.#get(path, { ...search }, signal === undefined ? {} : { signal });
  }

  /** The first line of an attempt's log at or after a Unix time in milliseconds. */
  logLineAt(
    id: string,
    { signal, ...at }: CallOptions & { attempt?: number; at: number },
  ): Promise<LogLineAt> {
    const path = `/v1/jobs/${encodeURIComponent(id)}/logs/line`;
    return this.#get(path, at, signal === undefined ? {} : { signal });
  }

  /** The files that a job's newest attempt, or this one, stored. */
  async artifacts(
    id: string,
    { attempt, ...options }: ArtifactOptions = {},
  ): Promise<readonly ArtifactView[]> {
    const path = `/v1/jobs/${encodeURIComponent(id)}/artifacts`;
    const page = await this.#get<{ readonly artifacts: readonly ArtifactView[] }>(path, { attempt }, options);
    return page.artifacts;
  }

  /** The bytes of one of them, as they come. */
  artifact(
    id: string,
    path: string,
    { attempt, signal }: ArtifactOptions = {},
  ): Promise<ReadableStream<Uint8Array>> {
    const name = path.split('/').map(encodeURIComponent).join('/');
    return this.#transport.stream({
      service: 'results',
      method: 'GET',
      path: `/v1/jobs/${encodeURIComponent(id)}/artifacts/${name}${queryOf({ attempt })}`,
      repeatable: true,
      signal,
    });
  }

  #get<T>(path: string, query: Query, { signal }: CallOptions): Promise<T> {
    return this.#transport.json({
      service: 'results',
      method: 'GET',
      path: `${path}${queryOf(query)}`,
      repeatable: true,
      signal,
    });
  }
}
