import { hidePasswords } from '@cronium/contracts';
import { type Logger, pino, stdSerializers } from 'pino';
import { SECRET_PATHS } from './redact.ts';

export type { Logger } from 'pino';

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
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: [...SECRET_PATHS], censor: '***' },
    serializers: { err: stdSerializers.errWithCause },
    hooks: { streamWrite: hidePasswords },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}
