import { fileURLToPath } from 'node:url';
import { startProcess } from '@cronium/testing';
import { describe, expect, it } from 'vitest';

const script = fileURLToPath(new URL('./fixtures/service.ts', import.meta.url));

async function start(mode: string, ready = /^up$/) {
  return startProcess({ script, args: [mode], ready });
}

describe('a service', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'releases all in reverse order on %s and exits with 0',
    async (signal) => {
      await using service = await start('plain');
      expect(await service.kill(signal)).toEqual({ code: 0, signal: null });
      const released = service.lines().filter((line) => line.startsWith('released'));
      expect(released).toEqual(['released second', 'released first']);
    },
  );

  it('exits with 1 at a second signal, without waiting for a stuck release', async () => {
    await using service = await start('stuck');
    service.signal('SIGTERM');
    await service.line(/^info stopping$/);
    expect(await service.kill('SIGTERM')).toEqual({ code: 1, signal: null });
    expect(service.lines()).toContain('error a second signal: exiting at once: undefined');
  });

  it('exits with 1 when a release fails, and still releases the others', async () => {
    await using service = await start('broken-release');
    expect((await service.kill()).code).toBe(1);
    expect(service.lines()).toContain('error a release failed: no release');
    expect(service.lines()).toContain('released first');
  });

  it('releases what it had and exits with 1 when it can not start', async () => {
    await using service = await start('no-start', /^released first$/);
    expect((await service.exited).code).toBe(1);
    expect(service.lines()).toContain('error the service could not start: no database');
  });

  it('stops in the middle of a start and releases what the start still acquired', async () => {
    await using service = await start('slow-start', /^starting$/);
    expect((await service.kill()).code).toBe(0);
    expect(service.lines().filter((line) => line.startsWith('released'))[0]).toBe('released late');
    expect(service.lines().join()).not.toContain('could not start');
  });

  it('logs a rejection that nothing handles, releases all and exits with 1', async () => {
    await using service = await start('crash');
    expect((await service.exited).code).toBe(1);
    expect(service.lines()).toContain('error a rejection that nothing handled: a bug');
    expect(service.lines()).toContain('released first');
  });

  it('stops with 1 when a part that it needs fails in the background', async () => {
    await using service = await start('fail');
    expect((await service.exited).code).toBe(1);
    expect(service.lines()).toContain('error the service can not go on: the loop ended');
  });
});
