import type { JobSummary } from '@cronium/contracts';

/** A duration for people, three digits at most: `0.4 ms`, `12 ms`, `1.24 s`, `3 m 12 s`, `2 h 05 m`. */
export function duration(milliseconds: number): string {
  const ms = Math.max(0, milliseconds);
  if (ms < 9.95) return `${Number(ms.toFixed(1))} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9_995) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${pad(seconds % 60)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} m`;
  return `${Math.floor(minutes / 1440)} d ${pad(Math.floor((minutes % 1440) / 60))} h`;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}

/**
 * How long a job's main program ran, or has run so far; `-` when it never began. A job ends later than its program: when its
 * log is stored. That end counts only where the program's own was not seen.
 */
export function ran(
  { runMs, startedAt, endedAt }: Pick<JobSummary, 'runMs' | 'startedAt' | 'endedAt'>,
  nowMs: number,
): string {
  return runMs === null ? between(startedAt, endedAt, nowMs) : duration(runMs);
}

/** From one time to another, `-` when the first is missing; to now when only the second is. */
export function between(from: string | null, to: string | null, nowMs: number): string {
  if (from === null) return '-';
  return duration((to === null ? nowMs : Date.parse(to)) - Date.parse(from));
}

/** How long ago a time was. */
export function ago(time: string | null, nowMs: number): string {
  return time === null ? '-' : `${duration(nowMs - Date.parse(time))} ago`;
}
