import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pauseBefore, type RetriedFailure, retry } from './retry.ts';

const { signal } = new AbortController();

function failing(times: number) {
  let calls = 0;
  return async () => {
    calls += 1;
    if (calls <= times) throw new Error(`failure ${calls}`);
    return calls;
  };
}

describe('retry', () => {
  it('returns the first success and tells of each failure before it', async () => {
    const failures: RetriedFailure[] = [];
    const onRetry = (failure: RetriedFailure) => failures.push(failure);
    expect(await retry(failing(2), { signal, baseMs: 1, onRetry })).toBe(3);
    expect(failures.map(({ attempt, error }) => [attempt, String(error)])).toEqual([
      [1, 'Error: failure 1'],
      [2, 'Error: failure 2'],
    ]);
  });

  it('throws the last error when the tries are spent', async () => {
    await expect(retry(failing(9), { signal, attempts: 3, baseMs: 1 })).rejects.toThrow('failure 3');
  });

  it('does not try again what can not help', async () => {
    await expect(retry(failing(9), { signal, when: () => false })).rejects.toThrow('failure 1');
  });

  it('stops with the signal’s reason, also in the middle of a pause', async () => {
    const controller = new AbortController();
    const onRetry = () => controller.abort(new Error('shutting down'));
    const retrying = retry(failing(9), {
      signal: controller.signal,
      baseMs: 60_000,
      jitter: 'none',
      onRetry,
    });
    await expect(retrying).rejects.toThrow('shutting down');
  });

  it('calls nothing when the signal had aborted', async () => {
    let called = false;
    const run = async () => {
      called = true;
    };
    await expect(retry(run, { signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrow('gone');
    expect(called).toBe(false);
  });

  it('pauses between 0 and a bound that doubles up to the maximum', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 2000 }),
        fc.nat(1000),
        fc.nat(60_000),
        (attempt, baseMs, maxMs) => {
          const bound = pauseBefore(attempt, { baseMs, maxMs, jitter: 'none' });
          const drawn = pauseBefore(attempt, { baseMs, maxMs });
          expect(drawn).toBeGreaterThanOrEqual(0);
          expect(drawn).toBeLessThanOrEqual(bound);
          expect(bound).toBeLessThanOrEqual(maxMs);
        },
      ),
    );
    const bounds = [2, 3, 4, 5].map((attempt) =>
      pauseBefore(attempt, { baseMs: 100, maxMs: 500, jitter: 'none' }),
    );
    expect(bounds).toEqual([100, 200, 400, 500]);
  });
});
