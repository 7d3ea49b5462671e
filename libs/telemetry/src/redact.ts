const SECRET_NAMES: ReadonlySet<string> = new Set([
  'authorization',
  'Authorization',
  'apiKey',
  'password',
  'secret',
  'token',
  'executionToken',
  'lockToken',
]);
const HIDDEN = '***';

/**
 * The value as a log line may show it: what is named like a secret in it is replaced, on so many levels. A value that holds
 * none is given back as it is; one that does is copied, and never changed.
 */
export function withoutSecrets(value: unknown, levels: number): unknown {
  return typeof value === 'object' && value !== null ? fieldsWithoutSecrets(value, levels) : value;
}

/** {@link withoutSecrets} of an object. */
export function fieldsWithoutSecrets(fields: object, levels: number): object {
  const hidden = Object.entries(fields).flatMap(([name, value]) => {
    const shown = SECRET_NAMES.has(name) ? HIDDEN : levels > 1 ? withoutSecrets(value, levels - 1) : value;
    return shown === value ? [] : [[name, shown] as const];
  });
  return hidden.length === 0 ? fields : Object.assign(copyOf(fields), Object.fromEntries(hidden));
}

/** An error stays one: its message and stack are no fields of it. */
function copyOf(fields: object): object {
  if (Array.isArray(fields)) return [...fields];
  return fields instanceof Error ? Object.create(fields) : { ...fields };
}
