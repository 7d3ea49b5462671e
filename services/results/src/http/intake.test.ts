import { Hono } from 'hono';
import { expect, test } from 'vitest';
import { errorHandler } from './errors.ts';
import { boundedIntake } from './intake.ts';

test('past the bound requests are put off until others have ended; a single one always gets through', async () => {
  const gate = Promise.withResolvers<void>();
  const app = new Hono();
  const log = { error: () => undefined, warn: () => undefined };
  app.onError(errorHandler(log as never));
  app.post('/', boundedIntake({ maxBytes: 10, largest: 100 }), async (c) => {
    await gate.promise;
    return c.text('stored');
  });
  const post = (bytes: string) => app.request('/', { method: 'POST', headers: { 'content-length': bytes } });
  const first = post('50');
  const second = await post('1');
  expect([second.status, second.headers.get('retry-after')]).toEqual([503, '1']);
  gate.resolve();
  expect((await first).status).toBe(200);
  expect((await post('5')).status).toBe(200);
});
