import { z } from 'zod';
import { jsonValue } from './json-value.ts';
import { serviceName } from './services.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const ENV_VALUE_BYTES = 100_000;
const ENV_TOTAL_BYTES = 1_000_000;
const SCRIPT_BYTES = 1024 * 1024;
/**
 * A reference as Docker reads it (https://github.com/distribution/reference): domain, path, tag, digest. Anything
 * else, such as a space or a shell's special character, is refused before a daemon sees it.
 */
const IMAGE =
  /^(?=.{1,255}$)[a-z0-9]+(?:[._-][a-z0-9]+)*(?::[0-9]{1,5})?(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;

const noNul = (text: string): boolean => !text.includes('\0');
const text = (max: number) => z.string().max(max).refine(noNul, { error: 'must not contain a NUL byte' });

/** A short name: letters, digits, dot, underscore, hyphen; 63 at most. */
export const shortName = z.string().regex(NAME, {
  error: 'must be letters, digits, ".", "_" or "-", at most 63, beginning with a letter or digit',
});

/** Labels: short names and texts of 200 at most, 64 pairs. */
export const labels = z
  .record(shortName, text(200))
  .refine((map) => Object.keys(map).length <= 64, { error: 'must not have more than 64 entries' });

export const imageReference = z.string().regex(IMAGE, {
  error: 'must be an image reference such as registry.example.com/team/tool:1.2 or tool@sha256:…',
});

const script = z.strictObject({
  language: z.enum(['bash', 'python', 'node']),
  /** The main script, as given; Bash runs it without `-e`. */
  source: text(SCRIPT_BYTES).min(1),
  /** Runs first, in the same language; its failure ends the attempt. */
  setup: text(SCRIPT_BYTES).optional(),
  /** Runs after `setup`, in the same language; its failure ends the attempt. */
  preTask: text(SCRIPT_BYTES).optional(),
});

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const httpRequest = z.strictObject({
  method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']).default('GET'),
  url: z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).max(8192),
  headers: z
    .record(
      z.string().regex(HEADER_NAME, { error: 'is not a header name' }),
      z
        .string()
        .max(8192)
        .refine((value) => !/[\r\n\0]/.test(value), { error: 'must not contain a line break or NUL' }),
    )
    .default({}),
  body: text(1024 * 1024).optional(),
  expectStatus: z.array(z.int().min(100).max(599)).min(1).optional(),
});

const toolCall = z.strictObject({
  tool: z.enum(['slack', 'discord', 'email']),
  action: shortName,
  params: z.record(z.string(), jsonValue).default({}),
  /** The name of a stored credential. */
  credential: shortName.optional(),
});

const env = z
  .record(
    z
      .string()
      .regex(ENV_NAME, { error: 'is not the name of an environment variable' })
      .refine((name) => !name.startsWith('CRONIUM_'), {
        error: 'must not begin with CRONIUM_: the fleet sets these',
      }),
    z
      .string()
      .refine(noNul, { error: 'must not contain a NUL byte' })
      .refine((v) => Buffer.byteLength(v) <= ENV_VALUE_BYTES, {
        error: `must not be longer than ${ENV_VALUE_BYTES} bytes`,
      }),
  )
  .refine(
    (map) =>
      Object.entries(map).reduce((sum, [k, v]) => sum + k.length + Buffer.byteLength(v) + 2, 0) <=
      ENV_TOTAL_BYTES,
    {
      error: `must not be longer than ${ENV_TOTAL_BYTES} bytes in all`,
    },
  );

/** A job may wait for a year. */
export const MAX_DELAY_SECONDS = 31_536_000;

/** The limits of the job's container. */
const resources = z.strictObject({
  cpus: z.number().min(0.01).max(1024).default(1),
  memoryMiB: z.int().min(8).max(4_194_304).default(512),
  pids: z.int().min(4).max(1_000_000).default(100),
  diskMiB: z.int().min(1).max(4_194_304).default(500),
});

/**
 * What a retry policy can answer to. `failed` is any failure of the job's own; a cause of a death record, such as `oom` or
 * `killed`, answers to that one alone.
 */
export const RETRY_REASONS = [
  'failed',
  'timed_out',
  'lost',
  'exit',
  'signal',
  'oom',
  'killed',
  'image',
  'setup',
  'disk',
] as const;

const retry = z.strictObject({
  /** How many attempts a job's own failures may take, the first one included. */
  attempts: z.int().min(1).max(100).default(1),
  backoff: z
    .strictObject({
      type: z.enum(['fixed', 'exponential']).default('exponential'),
      delaySeconds: z.number().min(0).max(86_400).default(5),
    })
    .default({ type: 'exponential', delaySeconds: 5 }),
  on: z.array(z.enum(RETRY_REASONS)).default(['failed', 'timed_out', 'oom', 'lost']),
});

const HOST_PORT = /^(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?:[0-9]{1,5}$/;
const egress = z.union(
  [
    z.enum(['none', 'internet']),
    z.strictObject({
      allow: z
        .array(z.string().regex(HOST_PORT, { error: 'must be host:port, such as api.example.com:443' }))
        .min(1)
        .max(100),
    }),
  ],
  { error: 'must be "none", "internet" or {"allow": ["HOST:PORT"]}' },
);

const artifactPattern = text(500).min(1).refine(isRelativePath, {
  error: 'must be relative to the job’s folder, without "..", empty parts or control characters',
});

const webhook = z.strictObject({
  url: z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).max(8192),
  secret: shortName.optional(),
});

const common = {
  name: text(200).default(''),
  env: env.default({}),
  secrets: z.array(shortName).max(100).default([]),
  input: jsonValue.default({}),
  resources: resources.default({ cpus: 1, memoryMiB: 512, pids: 100, diskMiB: 500 }),
  /** Of the running phase alone, in seconds. */
  timeoutSeconds: z.number().positive().max(604_800).default(3600),
  retry: retry.default({
    attempts: 1,
    backoff: { type: 'exponential', delaySeconds: 5 },
    on: ['failed', 'timed_out', 'oom', 'lost'],
  }),
  /** Higher is sooner. */
  priority: z.int().min(-1000).max(1000).default(0),
  delaySeconds: z.number().min(0).max(MAX_DELAY_SECONDS).default(0),
  runAt: z.iso.datetime({ offset: true }).optional(),
  pool: shortName.default('default'),
  requires: labels.default({}),
  concurrencyKey: text(200).min(1).optional(),
  egress: egress.default('none'),
  /** Shared services that nodes offer; the job reaches these and no others. */
  services: z.array(serviceName).max(20).default([]),
  isolation: z.enum(['job', 'batch']).default('job'),
  labels: labels.default({}),
  webhook: webhook.optional(),
  /** Files that are stored when the program has ended; `*` and `?` stay within a folder, `**` spans folders. */
  artifacts: z.array(artifactPattern).max(100).default([]),
};

const scriptJob = z.strictObject({
  ...common,
  type: z.literal('script'),
  script,
  image: imageReference.optional(),
});
const containerJob = z.strictObject({
  ...common,
  type: z.literal('container'),
  image: imageReference,
  command: z.array(text(131_000)).max(1000).optional(),
  args: z.array(text(131_000)).max(1000).optional(),
});
const httpJob = z.strictObject({ ...common, type: z.literal('http'), http: httpRequest });
const toolJob = z.strictObject({ ...common, type: z.literal('tool'), tool: toolCall });

/**
 * A job as submitters write it (DESIGN section 4). Unknown fields are errors that name the field; the parsed value has
 * every default filled in.
 */
export const jobSpec = z
  .discriminatedUnion('type', [scriptJob, containerJob, httpJob, toolJob])
  // Not `superRefine`: it hangs a function on each value, and V8 14.6 keeps what has one until a full collection.
  .refine((job) => job.runAt === undefined || job.delaySeconds === 0, {
    path: ['runAt'],
    error: 'cannot be given together with delaySeconds',
  });

/** A parsed job: all defaults are present. */
export type JobSpec = z.output<typeof jobSpec>;
/** A job as people write it. */
export type JobInput = z.input<typeof jobSpec>;
export type ScriptJob = Extract<JobSpec, { type: 'script' }>;
export type ScriptLanguage = ScriptJob['script']['language'];

/** When a job may run, in Unix milliseconds; `undefined` for at once. */
export function notBefore(job: JobSpec, acceptedAtMs: number): number | undefined {
  if (job.runAt !== undefined) return Date.parse(job.runAt);
  return job.delaySeconds > 0 ? acceptedAtMs + job.delaySeconds * 1000 : undefined;
}

function isRelativePath(pattern: string): boolean {
  const isPrintable = [...pattern].every((character) => character >= ' ' && character !== '\u007f');
  const parts = pattern.replace(/\/$/, '').split('/');
  return isPrintable && parts.every((part) => part !== '' && part !== '..');
}
