import { type AcceptedBatch, acceptedBatch } from '@cronium/contracts';
import { JOB } from './harness.ts';

export const NDJSON = { 'content-type': 'application/x-ndjson' };
export const KEY = { 'idempotency-key': 'nightly' };

/** The answer to a batch that was accepted. */
export async function accepted(response: Response): Promise<AcceptedBatch> {
  return acceptedBatch.parse(await response.json());
}

/** Good jobs with the names n0, n1, … */
export function jobs(count: number): { name: string }[] {
  return Array.from({ length: count }, (_, i) => ({ ...JOB, name: `n${i}` }));
}

export function ndjson(values: readonly unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join('');
}

/** A body that gives its pieces, and then ends in an error as a lost connection does. */
export function cutOff(...pieces: readonly string[]): ReadableStream<Uint8Array> {
  const left = [...pieces];
  return new ReadableStream({
    pull(controller) {
      const piece = left.shift();
      if (piece === undefined) controller.error(new Error('aborted'));
      else controller.enqueue(Buffer.from(piece));
    },
  });
}
