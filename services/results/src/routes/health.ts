import type { Health, Readiness } from '@cronium/contracts';
import { deadline, waitFor } from '@cronium/lifecycle';
import { Hono } from 'hono';
import { sql } from 'kysely';
import manifest from '../../package.json' with { type: 'json' };
import type { Deps } from '../deps.ts';

const CHECK_MS = 3000;

/** `/health`, `/ready` and `/metrics`, open to all. */
export function healthRoutes(deps: Deps): Hono {
  const app = new Hono();
  app.get('/health', (c) => c.json({ status: 'ok', version: manifest.version } satisfies Health));
  app.get('/ready', async (c) => {
    const readiness = await readinessOf(deps);
    return c.json(readiness, readiness.ready ? 200 : 503);
  });
  app.get('/metrics', async (c) =>
    c.body(await deps.metrics.text(), 200, { 'Content-Type': deps.metrics.contentType }),
  );
  return app;
}

/** Can this process serve; if not, what is missing and what to do. */
export async function readinessOf({ db, valkey, signal, schema }: Deps): Promise<Readiness> {
  const checks = await Promise.all([
    check(
      'postgresql',
      () => sql`SELECT 1`.execute(db),
      'PostgreSQL does not answer. Start it, and check CRONIUM_DATABASE_URL and the way to it.',
    ),
    check(
      'valkey',
      () => valkey.ping(),
      'Valkey does not answer. Start it, and check CRONIUM_VALKEY_URL and the way to it.',
    ),
  ]);
  if (checks[0]?.ok && !schema.isOpen) {
    checks.push({
      name: 'schema',
      ok: false,
      message: 'The database is being migrated. See the log if this lasts.',
    });
  }
  if (signal.aborted) checks.push({ name: 'process', ok: false, message: 'This process is stopping.' });
  return { ready: checks.every(({ ok }) => ok), checks };
}

async function check(
  name: string,
  ask: () => Promise<unknown>,
  advice: string,
): Promise<Readiness['checks'][number]> {
  using limit = deadline(CHECK_MS, 'no answer');
  try {
    await waitFor(ask(), limit);
    return { name, ok: true };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { name, ok: false, message: `${advice} (${why})` };
  }
}
