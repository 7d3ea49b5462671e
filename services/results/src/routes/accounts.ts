import { requireRole } from '@cronium/http';
import { Hono } from 'hono';
import { balanceAccounts } from '../accounts/accounts.ts';
import type { Deps } from '../deps.ts';
import type { Env } from '../http/auth.ts';

/** What is found wrong is looked at again after this time: longer than a job is between two of its states. */
const AGAIN_MS = 3000;

/** `/v1/accounts`: is every accepted job ended, waiting or running. Of all tenants, so for admins. */
export function accountRoutes(deps: Deps): Hono<Env> {
  const app = new Hono<Env>();
  app.get('/', async (c) => {
    requireRole(c.get('principal'), 'admin');
    return c.json(await balanceAccounts(deps, AGAIN_MS));
  });
  return app;
}
