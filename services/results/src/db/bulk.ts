import { type RawBuilder, sql } from 'kysely';

/**
 * Rows as one parameter: `json_to_recordset`. A statement with it has the same text for any number of rows, and no
 * limit on their number.
 * @param columns SQL types by column
 */
export function recordset<C extends string>(
  columns: Readonly<Record<C, string>>,
  rows: readonly Readonly<Record<C, unknown>>[],
): RawBuilder<unknown> {
  const definition = Object.entries(columns).map(([name, type]) => `${name} ${String(type)}`);
  return sql`json_to_recordset(${JSON.stringify(rows)}::json) AS v(${sql.raw(definition.join(', '))})`;
}

/** The names of columns, with commas. */
export function names(columns: Readonly<Record<string, string>>, prefix = ''): RawBuilder<unknown> {
  return sql.raw(
    Object.keys(columns)
      .map((name) => `${prefix}${name}`)
      .join(', '),
  );
}

/** Text as PostgreSQL can hold it: no NUL, no lone surrogate. */
export function pgText(text: string): string {
  return text.replaceAll('\0', '\uFFFD').toWellFormed();
}
