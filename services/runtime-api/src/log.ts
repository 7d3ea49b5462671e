const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
type Level = (typeof LEVELS)[number];

/** One line of the sidecar's own log. */
export interface LogEntry {
  readonly level: Exclude<Level, 'silent'>;
  readonly msg: string;
  readonly [field: string]: unknown;
}
export type Log = (entry: LogEntry) => void;

/** A log of JSON lines. An unknown or missing level is `info`. */
export function createLog({ write, level }: { write(line: string): void; level: string | undefined }): Log {
  const least = LEVELS.indexOf((level ?? 'info') as Level);
  const threshold = least === -1 ? LEVELS.indexOf('info') : least;
  return (entry) => {
    if (LEVELS.indexOf(entry.level) < threshold) return;
    write(`${JSON.stringify({ time: new Date().toISOString(), service: 'runtime-api', ...entry })}\n`);
  };
}
