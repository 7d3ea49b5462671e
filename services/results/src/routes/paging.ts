import { z } from 'zod';
import { type Cursor, cursorOf, readCursor } from './cursor.ts';

/** A time in a query, as Unix ms. */
export const time = z.iso
  .datetime({ offset: true, error: 'must be a time such as 2026-01-31T12:00:00Z' })
  .transform((text) => Date.parse(text));

const MOST = 1000;

/** Which page of a list: how long, and behind which place, which must be one of that list. */
export const paging = (usual: number, isPlace: (cursor: Cursor) => boolean = () => true) => ({
  limit: z
    .string()
    .regex(/^([1-9]\d{0,2}|1000)$/, { error: `must be a whole number from 1 to ${MOST}` })
    .transform(Number)
    .default(usual),
  cursor: z
    .string()
    .transform((text, context): Cursor => {
      const place = readCursor(text);
      if (place !== undefined && isPlace(place)) return place;
      context.addIssue({ code: 'custom', message: 'is not one that this service gave' });
      return z.NEVER;
    })
    .optional(),
});

/** A page of rows of which one more than `limit` was asked for: that one is the next page's. */
export function pageOf<T>(
  rows: readonly T[],
  limit: number,
  placeOf: (row: T) => Cursor,
): { page: readonly T[]; cursor: string | null } {
  const page = rows.slice(0, limit);
  const last = rows.length > limit ? page.at(-1) : undefined;
  return { page, cursor: last === undefined ? null : cursorOf(placeOf(last)) };
}
