import {
  acceptedBatch,
  acceptedJob,
  flowInput,
  jobSpec,
  problem,
  queueCounts,
  readiness,
  scheduleInput,
  scheduleView,
} from '@cronium/contracts';
import { z } from 'zod';
import { batchDocument } from '../intake/batch-document.ts';

/** The answer to a wish that a job or a flow ends. */
export const cancelling = z.object({ id: z.string(), cancelling: z.literal(true) });

/** A JSON Schema of version 2020-12, which is what OpenAPI 3.1 uses. */
export type SchemaObject = Readonly<Record<string, unknown>>;

/** The schemas that stand once in the document, under a name. */
const NAMED = new Map<unknown, string>([
  [jobSpec, 'Job'],
  [batchDocument, 'Batch'],
  [acceptedJob, 'AcceptedJob'],
  [acceptedBatch, 'AcceptedBatch'],
  [queueCounts, 'Queues'],
  [readiness, 'Readiness'],
  [scheduleInput, 'Schedule'],
  [flowInput, 'Flow'],
  [scheduleView, 'ScheduleView'],
  [problem, 'Problem'],
]);

const jsonSchema = z.looseObject({ $defs: z.record(z.string(), z.looseObject({})).optional() });

/**
 * The schema for the document: a reference when it has a name. Made by zod itself, because the generator of
 * zod-openapi follows the recursive `z.json()` without an end.
 */
export function schemaFor(schema: z.ZodType): SchemaObject {
  const name = NAMED.get(schema);
  return name === undefined ? convert(schema).own : reference(name);
}

/** All named schemas, and what they refer to. */
export function namedSchemas(): Record<string, SchemaObject> {
  return Object.fromEntries(
    [...NAMED].flatMap(([schema, name]) => {
      if (!(schema instanceof z.ZodType)) return [];
      const { own, definitions } = convert(schema, name);
      return [[name, own] as const, ...Object.entries(definitions)];
    }),
  );
}

function convert(
  schema: z.ZodType,
  name = 'Inline',
): { own: SchemaObject; definitions: Record<string, SchemaObject> } {
  const converted = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema: made }) => {
      const known = Object.is(zodSchema, schema) ? undefined : NAMED.get(zodSchema);
      if (known === undefined) return;
      for (const key of Object.keys(made)) delete made[key as keyof typeof made];
      Object.assign(made, reference(known));
    },
  });
  // `$defs` are relative to the schema's own root; in the document they are components.
  const moved = JSON.stringify(converted).replaceAll('"#/$defs/', `"#/components/schemas/${name}.`);
  const { $defs = {}, $schema: _, ...own } = jsonSchema.parse(JSON.parse(moved));
  return {
    own,
    definitions: Object.fromEntries(Object.entries($defs).map(([key, value]) => [`${name}.${key}`, value])),
  };
}

function reference(name: string): { $ref: string } {
  return { $ref: `#/components/schemas/${name}` };
}
