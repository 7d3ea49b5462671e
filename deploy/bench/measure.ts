import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Percentiles and the like of one series, in the series' own unit. */
export interface Summary {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** The value below which the share of the series lies (nearest rank). */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  const rank = Math.ceil(share * sorted.length) - 1;
  return sorted[Math.min(sorted.length - 1, Math.max(0, rank))] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => percentile(values, 0.5);

export function summarise(values: readonly number[]): Summary {
  return {
    count: values.length,
    p50: percentile(values, 0.5),
    p99: percentile(values, 0.99),
    max: percentile(values, 1),
  };
}

/** Runs tasks, so many at a time. @returns how long all of them took, in milliseconds */
export async function inLanes(
  { count, width }: { readonly count: number; readonly width: number },
  task: (index: number) => Promise<unknown>,
): Promise<number> {
  const startedAt = performance.now();
  let next = 0;
  const lane = async () => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: width }, lane));
  return performance.now() - startedAt;
}

/**
 * Runs a program to its end.
 * @returns from its start to the first byte that it printed, in milliseconds
 * @throws Error when it fails
 */
export async function firstByteOf(command: string, args: readonly string[]): Promise<number> {
  const startedAt = performance.now();
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let firstAt = Number.NaN;
  child.stdout.on('data', () => {
    if (Number.isNaN(firstAt)) firstAt = performance.now();
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}`);
  return firstAt - startedAt;
}
