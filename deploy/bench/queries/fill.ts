import type pg from 'pg';
import { dropIndexes } from './indexes.ts';
import { type LogBody, logBodies } from './log-bodies.ts';
import { HELPERS, STATEMENTS } from './statements.ts';

/** How much is stored before anything is asked. */
export interface Sizes {
  readonly jobs: number;
  readonly spans: number;
  /** Of log chunks as they are stored, compressed. */
  readonly logBytes: number;
}

const EACH = 50_000;
/** The week that is filled ends now. */
const DAYS = 7;
const DAY_MS = 86_400_000;

/**
 * Fills the real tables with a fleet's week, the same one for the same sizes. Synchronous commits are off for this
 * connection alone; indexes are made after the rows. In the end everything is as if it had been ingested.
 */
export async function fill(client: pg.Client, sizes: Sizes, say: (line: string) => void): Promise<void> {
  await client.query(
    "SET synchronous_commit = off; SET maintenance_work_mem = '512MB'; SET work_mem = '64MB'",
  );
  const bodies = logBodies();
  await client.query(HELPERS);
  await setParameters(client, sizes, bodies);
  await makePartitions(client);
  const restore = await dropIndexes(client);
  for (const [index, { name, each, sql }] of STATEMENTS.entries()) {
    const startedAt = performance.now();
    for (let from = 1; from <= (each ? sizes.jobs : 1); from += EACH) {
      const to = each ? Math.min(sizes.jobs, from + EACH - 1) : 1;
      await client.query(sql, each ? [from, to] : []);
    }
    const seconds = (performance.now() - startedAt) / 1000;
    say(`  ${index + 1}/${STATEMENTS.length} ${name}: ${seconds.toFixed(0)} s`);
  }
  await restore(say);
  await client.query('VACUUM (ANALYZE)');
  await client.query('CHECKPOINT');
}

/** A table of one row that the statements read. */
async function setParameters(client: pg.Client, sizes: Sizes, bodies: readonly LogBody[]): Promise<void> {
  const [small, large] = bodies;
  if (small === undefined || large === undefined) throw new RangeError('there are two sizes of logs');
  // Every job has a small chunk; what is left goes into a few large logs.
  const left = Math.max(0, sizes.logBytes - sizes.jobs * small.body.length);
  const chunks = Math.floor(left / large.body.length);
  await client.query(
    `CREATE TEMP TABLE parameters AS SELECT $1::integer AS jobs, $2::float8 AS now_ms,
    $3::float8 AS week_ms, $4::integer AS spans_each, $5::integer AS large_chunks`.replaceAll(
      /\$(\d)/g,
      (_, n) =>
        String(
          [sizes.jobs, Date.now(), DAYS * DAY_MS, Math.max(1, Math.round(sizes.spans / sizes.jobs)), chunks][
            Number(n) - 1
          ],
        ),
    ),
  );
  await client.query('CREATE TEMP TABLE bodies (kind text, body bytea, records integer)');
  for (const { kind, body, records } of bodies) {
    await client.query('INSERT INTO bodies VALUES ($1, $2, $3)', [kind, body, records]);
  }
  await client.query('ALTER TABLE bodies ALTER COLUMN body SET STORAGE EXTERNAL');
}

async function makePartitions(client: pg.Client): Promise<void> {
  for (let back = DAYS + 1; back >= 0; back--) {
    const day = new Date(Date.now() - back * DAY_MS).toISOString().slice(0, 10);
    for (const table of ['log_chunks', 'spans', 'log_records']) {
      await client.query(
        `CREATE TABLE IF NOT EXISTS ${table}_${day.replaceAll('-', '')} PARTITION OF ${table} FOR VALUES IN ('${day}')`,
      );
    }
  }
}
