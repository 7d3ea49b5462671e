import { type SchedulesView, scheduleRecord, toScheduleView } from '@cronium/contracts';
import { Hono } from 'hono';
import type { Deps } from '../deps.ts';
import type { Env } from '../http/auth.ts';

/** `/v1/schedules`, to read; they are made and changed at the producer. */
export function scheduleRoutes({ valkey, keys }: Deps): Hono<Env> {
  const app = new Hono<Env>();
  app.get('/', async (c) => {
    const { tenant } = c.get('principal');
    const records = (await valkey.hvals(keys.schedules))
      .flatMap((text) => scheduleRecord.safeParse(JSON.parse(text)).data ?? [])
      .filter((record) => record.tenant === tenant)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const view: SchedulesView = { schedules: records.map(toScheduleView) };
    return c.json(view);
  });
  return app;
}
