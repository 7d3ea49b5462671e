import { hidePasswords } from '@cronium/contracts';
import { type BaseLogger, pino, stdSerializers } from 'pino';
import { fieldsWithoutSecrets, withoutSecrets } from './redact.ts';

/** A logger without children: pino lets nobody look through what is bound to one. */
export type Logger = BaseLogger;

/** Secrets are looked for at the top of a line, and one and two levels down. */
const LEVELS = 3;

/** Who logs, and how much. */
export interface LoggerOptions {
  readonly service: string;
  /** trace, debug, info, warn, error, fatal or silent. Default info. */
  readonly level?: string;
  readonly node?: string;
  /** Where lines go; default standard output, synchronously, so that a crash loses none. */
  readonly destination?: { write(line: string): void };
}

/**
 * A logger of JSON lines: `{"level":"info","time":"…","service":"…","msg":"…"}`. Authorization headers, tokens, keys and
 * passwords (also those inside URLs, also inside error messages) are replaced by `***`.
 */
export function createLogger({ service, level = 'info', node, destination }: LoggerOptions): Logger {
  const options = {
    level,
    base: node === undefined ? { service } : { service, node },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: {
      level: (label: string) => ({ level: label }),
      // Not by pino's own `redact`, which reads its list of paths anew for each line and makes 30 KB of it.
      log: hideSecrets,
    },
    serializers: { err: (error: Error) => withoutSecrets(stdSerializers.errWithCause(error), LEVELS - 1) },
    hooks: { streamWrite: hidePasswords },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

function hideSecrets(fields: object): Record<string, unknown> {
  return { ...fieldsWithoutSecrets(fields, LEVELS) };
}
