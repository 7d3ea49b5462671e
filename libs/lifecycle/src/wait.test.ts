import { describe, expect, it } from 'vitest';
import { DeadlineError } from './errors.ts';
import { comesWithin, deadline, firstOf, graceAfter, pause, repeat, waitFor } from './wait.ts';

const never = new Promise<never>(() => undefined);

describe('deadline', () => {
  it('aborts with what was too slow', async () => {
    const signal = deadline(5, 'the daemon did not answer');
    const keepAlive = setTimeout(() => undefined, 10_000);
    const error = await waitFor(never, signal).catch((reason: unknown) => reason);
    clearTimeout(keepAlive);
    expect(error).toBeInstanceOf(DeadlineError);
    expect(error).toMatchObject({ code: 'DEADLINE', milliseconds: 5 });
    expect(String(error)).toContain('the daemon did not answer (after 5 ms)');
  });

  it('carries its parent’s reason when that aborts first, or has already', () => {
    const parent = new AbortController();
    const before = deadline(60_000, 'late', parent.signal);
    parent.abort('cancelled by a person');
    const after = deadline(60_000, 'late', parent.signal);
    expect([before.reason, after.reason]).toEqual(['cancelled by a person', 'cancelled by a person']);
  });

  it('does not fire once it is given back', () => {
    const parent = new AbortController();
    let kept: AbortSignal;
    {
      using signal = deadline(60_000, 'late', parent.signal);
      kept = signal;
    }
    parent.abort('x');
    expect(kept.aborted).toBe(false);
  });
});

describe('waitFor', () => {
  it('gives the value or the error of the promise', async () => {
    const { signal } = new AbortController();
    expect(await waitFor(Promise.resolve(1), signal)).toBe(1);
    await expect(waitFor(Promise.reject(new Error('own')), signal)).rejects.toThrow('own');
  });

  it('throws the reason at once when the signal had aborted, and swallows the late failure', async () => {
    const late = Promise.reject(new Error('nobody waits'));
    await expect(waitFor(late, AbortSignal.abort(new Error('over')))).rejects.toThrow('over');
  });

  it('leaves no listener behind', async () => {
    const controller = new AbortController();
    const added: string[] = [];
    const { signal } = controller;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      added.push(args[0]);
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      added.pop();
      remove(...args);
    };
    await waitFor(Promise.resolve(), signal);
    await pause(1, signal);
    expect(added).toEqual([]);
  });
});

describe('pause', () => {
  it('ends early with the reason', async () => {
    const controller = new AbortController();
    const pausing = pause(60_000, controller.signal);
    controller.abort(new Error('no time'));
    await expect(pausing).rejects.toThrow('no time');
    await expect(pause(1, controller.signal)).rejects.toThrow('no time');
  });
});

describe('repeat', () => {
  it('goes on after errors, never runs twice at once, and stops with the signal', async () => {
    const controller = new AbortController();
    const errors: unknown[] = [];
    let [running, most, runs] = [0, 0, 0];
    await repeat(
      async () => {
        running += 1;
        most = Math.max(most, running);
        await pause(1);
        running -= 1;
        runs += 1;
        if (runs === 3) controller.abort('enough');
        if (runs === 1) throw new Error('first');
      },
      { everyMs: 1, signal: controller.signal, onError: (error) => errors.push(error) },
    );
    expect([runs, most, errors.length]).toEqual([3, 1, 1]);
  });
});

describe('graceAfter', () => {
  it('aborts a while after the other signal, with its reason', async () => {
    const ending = new AbortController();
    using given = graceAfter(ending.signal, 5);
    ending.abort('the end');
    expect(given.aborted).toBe(false);
    const keepAlive = setTimeout(() => undefined, 10_000);
    const reason = await waitFor(never, given).catch((why: unknown) => why);
    clearTimeout(keepAlive);
    expect(reason).toBe('the end');
  });
});

describe('firstOf', () => {
  it('aborts with the first reason, at once when there is one, and not once it is disposed of', () => {
    const [one, other] = [new AbortController(), new AbortController()];
    const first = firstOf(one.signal, other.signal);
    const disposed = firstOf(one.signal, other.signal);
    disposed[Symbol.dispose]();
    other.abort('other');
    one.abort('one');
    expect([first.aborted, first.reason, disposed.aborted]).toEqual([true, 'other', false]);
    expect(firstOf(new AbortController().signal, one.signal).reason).toBe('one');
  });
});

it('what comes within a time is told from what does not, and an abort is thrown', async () => {
  const { signal } = new AbortController();
  const never = new Promise<void>(() => undefined);
  expect(await comesWithin(Promise.resolve(), 60_000, signal)).toBe(true);
  expect(await comesWithin(never, 1, signal)).toBe(false);
  const over = new AbortController();
  const waiting = comesWithin(never, 60_000, over.signal);
  over.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
});
