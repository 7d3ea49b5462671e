import { describe, expect, it } from 'vitest';
import { DeadlineError, ShutdownError } from './errors.ts';
import { Lifecycle } from './lifecycle.ts';

describe('a lifecycle', () => {
  it('releases last in, first out, each after the one before it', async () => {
    const lifecycle = new Lifecycle();
    const events: string[] = [];
    for (const name of ['a', 'b', 'c']) {
      lifecycle.own(name, async () => {
        events.push(`${name} begins`);
        await Promise.resolve();
        events.push(`${name} ends`);
      });
    }
    const report = await lifecycle.shutdown('test');
    expect(report).toEqual({ reason: 'test', released: ['c', 'b', 'a'], failed: [] });
    expect(events).toEqual(['c begins', 'c ends', 'b begins', 'b ends', 'a begins', 'a ends']);
  });

  it('shuts down once, however often it is asked', async () => {
    const lifecycle = new Lifecycle();
    let releases = 0;
    lifecycle.own('once', () => (releases += 1));
    const [one, two] = await Promise.all([lifecycle.shutdown('first'), lifecycle.shutdown('second')]);
    expect(await lifecycle.shutdown('third')).toEqual(one);
    expect(two).toEqual(one);
    expect([releases, one.reason]).toEqual([1, 'first']);
  });

  it('goes on after a release that throws or never ends, and names both', async () => {
    const lifecycle = new Lifecycle();
    const boom = new Error('boom');
    lifecycle.own('last', () => undefined);
    lifecycle.own('throws', () => {
      throw boom;
    });
    lifecycle.own('hangs', () => new Promise(() => undefined), { timeoutMs: 20 });
    const report = await lifecycle.shutdown('test');
    expect(report.released).toEqual(['last']);
    expect(report.failed).toEqual([
      { name: 'hangs', error: expect.any(DeadlineError) },
      { name: 'throws', error: boom },
    ]);
    expect(String(report.failed[0]?.error)).toContain('releasing hangs took too long');
  });

  it('still tries what is left when the whole shutdown is out of time', async () => {
    const lifecycle = new Lifecycle({ deadlineMs: 1 });
    lifecycle.own('tried', () => undefined);
    lifecycle.own('hangs', () => new Promise(() => undefined));
    expect((await lifecycle.shutdown('test')).released).toEqual(['tried']);
  });

  it('tells each release when its time is up, and does not hand it the stop signal', async () => {
    const lifecycle = new Lifecycle();
    let seen: AbortSignal | undefined;
    lifecycle.own(
      'watches',
      async (signal) => {
        seen = signal;
        expect(signal.aborted).toBe(false);
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      },
      { timeoutMs: 10 },
    );
    await lifecycle.shutdown('test');
    expect(seen?.reason).toBeInstanceOf(DeadlineError);
  });

  it('aborts its signal with the first reason before the first release', async () => {
    const lifecycle = new Lifecycle();
    let reason: unknown;
    lifecycle.own('looks', () => {
      reason = lifecycle.signal.reason;
    });
    lifecycle.requestStop('SIGTERM');
    await lifecycle.shutdown('other');
    expect(reason).toBeInstanceOf(ShutdownError);
    expect(String(reason)).toBe('ShutdownError: shutting down: SIGTERM');
  });

  it('releases what is acquired during and after the shutdown', async () => {
    const lifecycle = new Lifecycle();
    lifecycle.own('opens another', () => lifecycle.own('inner', () => undefined));
    await lifecycle.shutdown('test');
    lifecycle.own('after', () => undefined);
    expect((await lifecycle.shutdown('again')).released).toEqual(['opens another', 'inner', 'after']);
  });
});
