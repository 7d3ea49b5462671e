import { z } from 'zod';

/** A place in a list: behind the entry of this time and id. */
export interface Cursor {
  readonly ms: number;
  readonly id: string;
}

const cursor = z.tuple([z.number(), z.string().max(200)]);

/** Of a list whose ids count up: those that PostgreSQL calls bigint. */
export const isCounted = ({ id }: Cursor): boolean => /^\d{1,18}$/.test(id);

/** As clients see it: opaque. */
export function cursorOf({ ms, id }: Cursor): string {
  return Buffer.from(JSON.stringify([ms, id])).toString('base64url');
}

/** Undefined when it is not a cursor of ours. */
export function readCursor(text: string): Cursor | undefined {
  try {
    const [ms, id] = cursor.parse(JSON.parse(Buffer.from(text, 'base64url').toString()));
    return { ms, id };
  } catch {
    return undefined;
  }
}
