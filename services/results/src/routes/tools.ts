import { readRecord, toolActionBody } from '@cronium/contracts';
import type { Context } from 'hono';
import { z } from 'zod';
import type { Deps } from '../deps.ts';
import type { Env } from '../http/auth.ts';
import { readJson } from '../http/body.ts';
import { problems } from '../http/problems.ts';
import { openSealed } from '../queries/sealed.ts';
import { credentialBody } from '../tools/credentials.ts';
import { callTool } from '../tools/run.ts';
import { locateJob } from './locate.ts';

const MAX_BYTES = 1024 * 1024;
/** What is needed of a payload here. */
const toolPayload = z.looseObject({
  spec: z.looseObject({ tool: z.looseObject({ credential: z.string().optional() }).optional() }),
});

/**
 * `POST …/tool-actions/execute`. The credential is the one that `config.credential` names, else the one of the job's own
 * tool, else the one called like the tool.
 */
export async function runTool(deps: Deps, c: Context<Env>): Promise<Response> {
  const { tool, action, config } = await readJson(c, toolActionBody, MAX_BYTES);
  const { tenant, jobId } = c.get('claims');
  const { credential: named, ...rest } = config;
  const job = await locateJob(deps, tenant, jobId);
  const name = typeof named === 'string' ? named : (credentialOf(job.payload) ?? tool);
  if (!deps.secrets.usable) throw problems.noSecretsKey();
  const text = await openSealed(deps.db, { tenant, kind: 'credential', name }, deps.secrets);
  if (text === undefined)
    throw problems.notFound(`credential ${name}; store it with PUT /v1/credentials/${name}`);
  const credential = credentialBody.parse(JSON.parse(text));
  if (credential.tool !== tool)
    throw problems.conflict(`The credential ${name} is one for ${credential.tool}.`);
  return c.json({ success: true, data: await callTool(credential, { action, config: rest }) });
}

/** The credential that a tool job's own spec names. */
function credentialOf(payload: string): string | undefined {
  return readRecord(toolPayload, payload)?.spec.tool?.credential;
}
