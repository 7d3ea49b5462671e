import { HttpProblem } from '@cronium/http';
import type { MiddlewareHandler } from 'hono';

/**
 * Bounds the bodies that are in memory at once over all requests. What is too much is put off with 503 before a byte of
 * it is read: its sender keeps it and comes again.
 * @param maxBytes of all bodies together
 * @param largest what a body without a declared length is counted as
 */
export function boundedIntake({
  maxBytes,
  largest,
}: {
  maxBytes: number;
  largest: number;
}): MiddlewareHandler {
  let taken = 0;
  return async (c, next) => {
    const declared = Number(c.req.header('content-length') ?? largest);
    const bytes = Number.isFinite(declared) ? Math.min(Math.max(0, declared), largest) : largest;
    if (taken > 0 && taken + bytes > maxBytes) throw busy();
    taken += bytes;
    try {
      await next();
    } finally {
      taken -= bytes;
    }
  };
}

function busy(): HttpProblem {
  return new HttpProblem({
    slug: 'busy',
    status: 503,
    title: 'Too much at once',
    detail:
      'Results is storing as much as it may hold in memory. Nothing of this request was stored; send it again.',
    retryAfterSeconds: 1,
  });
}
