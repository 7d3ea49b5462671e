import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { BackgroundWork } from './background-work.ts';

describe('BackgroundWork', () => {
  it('has ended when also what began meanwhile has', async () => {
    const work = new BackgroundWork();
    const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    work.add(first.promise.then(() => work.add(second.promise)));
    let isOver = false;
    const ended = work.ended().then(() => {
      isOver = true;
    });
    first.resolve();
    await setImmediate();
    expect(isOver).toBe(false);
    second.resolve();
    await ended;
  });

  it('tells its owner of what fails, and ends all the same', async () => {
    const failures: unknown[] = [];
    const work = new BackgroundWork((error) => failures.push(error));
    work.add(Promise.reject(new Error('no')));
    await work.ended();
    expect(failures).toStrictEqual([new Error('no')]);
  });
});
