import { createHash } from 'node:crypto';
import { attemptIdOf } from '@cronium/contracts';
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { pgText } from '../db/bulk.ts';
import type { Deps } from '../deps.ts';
import type { Env } from '../http/auth.ts';
import { readBody, readQuery } from '../http/body.ts';
import { problems } from '../http/problems.ts';
import { type ArtifactRow, getArtifact, listArtifacts, putArtifact } from '../queries/artifacts.ts';
import type { Writer } from '../queries/attempt-data.ts';
import { locateJob } from './locate.ts';
import { isoTime } from './views.ts';

const MAX_PATH = 1024;

/** `GET /v1/jobs/{id}/artifacts` and the bytes of each. */
export function artifactRoutes(deps: Deps): Hono<Env> {
  const { db } = deps;
  const app = new Hono<Env>();
  const attemptQuery = z.strictObject({
    attempt: z
      .string()
      .regex(/^[1-9]\d{0,8}$/, { error: 'must be a whole number from 1' })
      .transform(Number)
      .optional(),
  });

  app.get('/:id/artifacts', async (c) => {
    const { attempt } = readQuery(c, attemptQuery);
    const job = await locateJob(deps, c.get('principal').tenant, c.req.param('id'));
    const rows = await listArtifacts(db, attemptIdOf(job.id, attempt ?? job.attempt));
    return c.json({ artifacts: rows.map(toView) });
  });

  app.get('/:id/artifacts/:path{[^]+}', async (c) => {
    const { attempt } = readQuery(c, attemptQuery);
    const job = await locateJob(deps, c.get('principal').tenant, c.req.param('id'));
    const path = artifactPath(c.req.param('path'));
    const row = await getArtifact(db, attemptIdOf(job.id, attempt ?? job.attempt), path);
    const body = row && (await bytesOf(deps, row));
    if (!row || body === undefined) throw problems.notFound(`artifact ${path} of job ${job.id}`);
    // What a job wrote is never shown as a page of this site.
    return c.body(body, 200, {
      'Content-Type': 'application/octet-stream',
      'Content-Length': String(row.bytes),
      'Content-Disposition': `attachment; filename*=UTF-8''${encodeURIComponent(path.split('/').at(-1) ?? 'artifact')}`,
      'X-Content-Type-Options': 'nosniff',
      'Content-Security-Policy': 'sandbox',
      ETag: `"${row.sha256}"`,
    });
  });
  return app;
}

/** Stores the request's body as an artifact of an attempt. */
export async function storeArtifact(
  { db, artifacts }: Pick<Deps, 'db' | 'artifacts'>,
  c: Context<Env>,
  { writer, path: given }: { writer: Writer; path: string },
): Promise<{ path: string; bytes: number; sha256: string }> {
  const path = artifactPath(given);
  const bytes = await readBody(c, artifacts.maxBytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const outside = await artifacts.put(`${writer.executionId}/${path}`, bytes);
  await putArtifact(db, writer, {
    attempt_id: writer.executionId,
    path,
    job_id: writer.jobId,
    attempt: writer.attempt,
    bytes: bytes.length,
    sha256,
    content_type: pgText(c.req.header('content-type') ?? 'application/octet-stream').slice(0, 200),
    created_ms: Date.now(),
    data: outside ? null : bytes,
  });
  return { path, bytes: bytes.length, sha256 };
}

/** A relative path without `.` and `..`; it only ever is a name here, and never a place on a disk. */
function artifactPath(path: string): string {
  const parts = path.split('/');
  const bad = parts.some((part) => part === '' || part === '.' || part === '..');
  if (bad || path.length > MAX_PATH || path.includes('\\') || pgText(path) !== path) {
    throw problems.badQuery([
      {
        path: 'path',
        message: `must be a relative path of at most ${MAX_PATH} characters, without ".", ".." and "\\"`,
      },
    ]);
  }
  return path;
}

async function bytesOf(
  { artifacts }: Pick<Deps, 'artifacts'>,
  row: ArtifactRow,
): Promise<ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer> | undefined> {
  if (row.data !== null) return new Uint8Array(row.data);
  return await artifacts.get(`${row.attempt_id}/${row.path}`);
}

function toView(row: Omit<ArtifactRow, 'data'>) {
  return {
    path: row.path,
    attempt: row.attempt,
    bytes: row.bytes,
    sha256: row.sha256,
    contentType: row.content_type,
    createdAt: isoTime(row.created_ms),
  };
}
