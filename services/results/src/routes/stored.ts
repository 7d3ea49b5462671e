import { randomBytes } from 'node:crypto';
import { shortName, variablePut } from '@cronium/contracts';
import { hashApiKey, requireRole } from '@cronium/http';
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { mirrorApiKeys } from '../auth/api-keys.ts';
import type { Deps } from '../deps.ts';
import { audit } from '../http/audit.ts';
import type { Env } from '../http/auth.ts';
import { readJson, readQuery } from '../http/body.ts';
import { problems } from '../http/problems.ts';
import { deleteApiKey, insertApiKey, listApiKeys } from '../queries/api-keys.ts';
import { deleteSealed, listSealed, putSealed, type SealedName } from '../queries/sealed.ts';
import { listVariables } from '../queries/variables.ts';
import { credentialBody } from '../tools/credentials.ts';
import { MAX_VALUE_BYTES, put, variableKey } from '../variables/changes.ts';
import { isoTime } from './views.ts';

const SMALL = 64 * 1024;
const SECRET_BYTES = 256 * 1024;
/** A value must be able to become a variable of a process, and to be found again in a log. */
const secretBody = z.strictObject({
  value: z
    .string()
    .min(1, { error: 'must not be empty' })
    .refine((value) => !value.includes('\0'), { error: 'must not contain a NUL byte' })
    .refine((value) => value.isWellFormed(), { error: 'must be valid Unicode' }),
});
const apiKeyBody = z.strictObject({
  name: shortName,
  role: z.enum(['admin', 'submitter', 'reader']).default('submitter'),
});
const variablesQuery = z.strictObject({
  prefix: z.string().default(''),
  after: z.string().default(''),
  limit: z
    .string()
    .regex(/^[1-9]\d{0,2}$/, { error: 'must be a whole number from 1 to 999' })
    .transform(Number)
    .default(100),
});

/** `/v1/variables/{key}`. */
export function variableRoutes({ db, variables }: Deps): Hono<Env> {
  const app = new Hono<Env>();
  const nameOf = (c: Context<Env>) => ({
    tenant: c.get('principal').tenant,
    key: variableKey(c.req.param('key') ?? ''),
  });
  app.get('/', async (c) => {
    const query = readQuery(c, variablesQuery);
    return c.json({ variables: await listVariables(db, { tenant: c.get('principal').tenant, ...query }) });
  });
  app.get('/:key', async (c) => {
    const name = nameOf(c);
    const variable = await variables.get(name);
    if (variable === undefined) throw problems.notFound(`variable ${name.key}`);
    return c.json(variable);
  });
  app.put('/:key', async (c) => {
    const { value, ifVersion } = await readJson(c, variablePut, 2 * MAX_VALUE_BYTES + SMALL);
    return c.json(await variables.change(nameOf(c), put(value, ifVersion)));
  });
  app.delete('/:key', async (c) => {
    await variables.remove(nameOf(c));
    return c.body(null, 204);
  });
  return app;
}

/** `/v1/secrets/{name}` and `/v1/credentials/{name}`: written and removed by admins, never read back. */
export function sealedRoutes(deps: Deps, kind: SealedName['kind']): Hono<Env> {
  const { db, secrets } = deps;
  const app = new Hono<Env>();
  app.use(async (_c, next) => {
    if (!secrets.usable) throw problems.noSecretsKey();
    return next();
  });
  app.get('/', async (c) => {
    const rows = await listSealed(db, { tenant: c.get('principal').tenant, kind });
    const list = rows.map(({ name, created_ms, updated_ms }) => ({
      name,
      createdAt: isoTime(created_ms),
      updatedAt: isoTime(updated_ms),
    }));
    return c.json({ [`${kind}s`]: list });
  });
  app.put('/:name', async (c) => {
    requireRole(c.get('principal'), 'admin');
    const name = nameParameter(c);
    const text =
      kind === 'secret'
        ? (await readJson(c, secretBody, SECRET_BYTES)).value
        : JSON.stringify(await readJson(c, credentialBody, SMALL));
    await putSealed(
      db,
      { tenant: c.get('principal').tenant, kind, name },
      { box: secrets, text, atMs: Date.now() },
    );
    await audit({ db }, c, { action: `${kind}.put`, target: name });
    return c.body(null, 204);
  });
  app.delete('/:name', async (c) => {
    requireRole(c.get('principal'), 'admin');
    const name = nameParameter(c);
    const there = await deleteSealed(db, { tenant: c.get('principal').tenant, kind, name });
    if (!there) throw problems.notFound(`${kind} ${name}`);
    await audit({ db }, c, { action: `${kind}.delete`, target: name });
    return c.body(null, 204);
  });
  return app;
}

/** `/v1/api-keys`: the key itself is shown once, when it is made. */
export function apiKeyRoutes({ db, valkey, keys, apiKeys }: Deps): Hono<Env> {
  const app = new Hono<Env>();
  app.use(async (c, next) => {
    requireRole(c.get('principal'), 'admin');
    return next();
  });
  app.get('/', async (c) => {
    const rows = await listApiKeys(db, c.get('principal').tenant);
    return c.json({
      apiKeys: rows.map(({ name, role, created_ms }) => ({ name, role, createdAt: isoTime(created_ms) })),
    });
  });
  app.post('/', async (c) => {
    const { name, role } = await readJson(c, apiKeyBody, SMALL);
    const { tenant } = c.get('principal');
    const key = `cr_${randomBytes(24).toString('base64url')}`;
    const made = await insertApiKey(db, { hash: hashApiKey(key), name, tenant, role, atMs: Date.now() });
    if (!made) throw problems.conflict(`There is an API key ${name} already; delete it first.`);
    await audit({ db }, c, { action: 'api-key.create', target: name, detail: role });
    apiKeys.forget();
    await mirrorApiKeys(db, valkey, keys);
    return c.json({ name, role, tenant, key }, 201);
  });
  app.delete('/:name', async (c) => {
    const name = nameParameter(c);
    const hash = await deleteApiKey(db, c.get('principal').tenant, name);
    if (hash === undefined) throw problems.notFound(`API key ${name}`);
    await audit({ db }, c, { action: 'api-key.delete', target: name });
    apiKeys.forget();
    await mirrorApiKeys(db, valkey, keys);
    return c.body(null, 204);
  });
  return app;
}

function nameParameter(c: Context<Env>): string {
  const result = shortName.safeParse(c.req.param('name'));
  if (result.success) return result.data;
  throw problems.badQuery([{ path: 'name', message: result.error.issues[0]?.message ?? 'is not a name' }]);
}
