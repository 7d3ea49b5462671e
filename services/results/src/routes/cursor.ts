import { z } from 'zod';
import { problems } from '../http/problems.ts';

const cursor = z.tuple([z.number(), z.string().max(200)]);

/** Where a list goes on: behind the entry of this time and id. Opaque to clients. */
export function cursorOf(ms: number, id: string): string {
  return Buffer.from(JSON.stringify([ms, id])).toString('base64url');
}

/** @throws HttpProblem 400 when it is not a cursor of ours */
export function readCursor(text: string): { ms: number; id: string } {
  try {
    const [ms, id] = cursor.parse(JSON.parse(Buffer.from(text, 'base64url').toString()));
    return { ms, id };
  } catch {
    throw problems.badQuery([{ path: 'cursor', message: 'is not one that this service gave' }]);
  }
}
