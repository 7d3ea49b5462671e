const NAMES = [
  'authorization',
  'Authorization',
  'apiKey',
  'password',
  'secret',
  'token',
  'executionToken',
  'lockToken',
];

/** The paths of a log line's fields whose values are never printed: at the top, one and two levels down. */
export const SECRET_PATHS: readonly string[] = NAMES.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);
