import { z } from 'zod';

type Json = z.core.util.JSONType;

/**
 * Any JSON value. `z.json()` tries a union at every value within and copies the whole; this looks at each once.
 */
export const jsonValue: z.ZodType<Json, Json> = z.custom<Json>(isJson, { error: 'must be JSON' });

function isJson(value: unknown): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return Number.isFinite(value);
    case 'object':
      return value === null || (Array.isArray(value) ? value.every(isJson) : isJsonObject(value));
    default:
      return false;
  }
}

function isJsonObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  return Object.entries(value).every(([key, one]) => key !== '__proto__' && isJson(one));
}
