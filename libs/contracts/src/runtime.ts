import { z } from 'zod';
import { ATTEMPT_ID, JOB_ID } from './ids.ts';
import { serviceRoute } from './services.ts';

/** Any JSON. What was parsed is that: to look through it once more takes longer than to parse it. */
const parsedJson = z.custom<z.infer<ReturnType<typeof z.json>>>((value) => value !== undefined, {
  error: 'is missing: any JSON value is expected',
});
type JsonObject = Readonly<Record<string, z.infer<typeof parsedJson>>>;
const parsedObject = z.custom<JsonObject>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  { error: 'must be a JSON object' },
);

const jwk = z.looseObject({ kty: z.string(), kid: z.string() });

/** Which addresses the sidecar's forward proxy may reach for the job. */
export const egressPolicy = z.strictObject({
  mode: z.enum(['none', 'internet', 'allow']),
  /** host:port, for `allow`; a leading `*.` matches one or more labels. */
  allow: z.array(z.string()),
  /** CIDRs or host:port that the operator opened although they are private. */
  allowPrivate: z.array(z.string()),
});
export type EgressPolicy = z.infer<typeof egressPolicy>;

/**
 * What a worker writes to a sidecar's stdin, one JSON line each; the sidecar answers each with one JSON line on stdout
 * ({@link sidecarReply}). Nothing of it shows in `docker inspect`.
 */
export const sidecarCommand = z.discriminatedUnion('type', [
  /** First, once: where to listen and what to talk to. */
  z.strictObject({
    type: z.literal('configure'),
    /** The sidecar's address on the job's network; its API listens on no other. */
    address: z.ipv4(),
    prefix: z.string(),
    valkeyUrl: z.string(),
    resultsUrl: z.string(),
    jwks: z.array(jwk),
  }),
  /** An attempt takes the sidecar; only tokens with its executionId are served until `unbind`. */
  z.strictObject({
    type: z.literal('bind'),
    attemptId: z.string().regex(ATTEMPT_ID),
    jobId: z.string().regex(JOB_ID),
    input: parsedJson,
    context: parsedObject,
    /** The names that the spec has. */
    secrets: z.array(z.string()),
    /** The values of those that are set, as they were when the attempt began. Absent: results is asked. */
    secretValues: z.record(z.string(), z.string()).optional(),
    egress: egressPolicy,
    /** The shared services that the job may reach. Absent: none. */
    services: z.array(serviceRoute).optional(),
  }),
  /** The attempt has ended: forget it, refuse its token, close its connections. */
  z.strictObject({ type: z.literal('unbind') }),
  /** Does its API still take requests? */
  z.strictObject({ type: z.literal('health') }),
]);
export type SidecarCommand = z.infer<typeof sidecarCommand>;

export const sidecarReply = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('ready') }),
  z.strictObject({ type: z.literal('bound'), attemptId: z.string() }),
  z.strictObject({ type: z.literal('unbound') }),
  /** It lives; `problem` says what is wrong all the same. */
  z.strictObject({ type: z.literal('health'), problem: z.string().optional() }),
  z.strictObject({ type: z.literal('error'), message: z.string() }),
]);
export type SidecarReply = z.infer<typeof sidecarReply>;

/** `PUT /v1/pre-task` on results: a shell script that runs before all jobs of a tenant, in every image. */
export const preTaskBody = z.strictObject({
  source: z
    .string()
    .min(1)
    .max(64 * 1024)
    .refine((source) => !source.includes('\0'), { error: 'must not contain a NUL byte' }),
});

/** `POST /executions/{id}/output`: the serialised data may have this many bytes. */
export const MAX_OUTPUT_BYTES = 5 * 1024 * 1024;

export const progressBody = z.strictObject({
  percent: z.number().min(0).max(100).optional(),
  message: z.string().max(1000).optional(),
});
export const outputBody = z.strictObject({ data: parsedJson });
export const conditionBody = z.strictObject({ condition: z.boolean() });
export const variablePut = z.strictObject({ value: parsedJson, ifVersion: z.int().nonnegative().optional() });
export const incrementBody = z.strictObject({ by: z.number().default(1) });
export const appendBody = z.strictObject({ text: z.string(), separator: z.string().default('') });
export const toolActionBody = z.strictObject({
  tool: z.enum(['slack', 'discord', 'email']),
  action: z.string().min(1),
  config: z.record(z.string(), z.json()).default({}),
});
