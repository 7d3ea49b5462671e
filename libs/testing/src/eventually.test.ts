import { describe, expect, it } from 'vitest';
import { eventually } from './eventually.ts';

describe('eventually', () => {
  it('gives the first value that counts, past errors, undefined and false', async () => {
    const results = [() => undefined, () => false as const, () => 0];
    let calls = 0;
    const check = () => {
      calls += 1;
      if (calls === 1) throw new Error('not yet');
      return results[calls - 2]?.();
    };
    expect(await eventually(check, { what: 'a value', everyMs: 1 })).toBe(0);
    expect(calls).toBe(4);
  });

  it('names what never came, and why', async () => {
    const check = () => {
      throw new Error('still queued');
    };
    await expect(eventually(check, { what: 'the job runs', timeoutMs: 5, everyMs: 1 })).rejects.toThrow(
      'not within 5 ms: the job runs. Last: still queued',
    );
  });
});
