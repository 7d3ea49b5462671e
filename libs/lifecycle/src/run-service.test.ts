import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { eventually, startProcess } from '@cronium/testing';
import { describe, expect, it } from 'vitest';

const script = fileURLToPath(new URL('./fixtures/service.ts', import.meta.url));

const MIB = 1024 * 1024;

function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1024;
}

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

  it('gives memory back when it has nothing more to do', async () => {
    await using service = await start('busy');
    const before = residentBytes(service.pid);
    expect(before).toBeGreaterThan(200 * MIB);
    await eventually(() => residentBytes(service.pid) < before / 2, {
      what: 'half of the memory is given back',
    });
    expect((await service.kill()).code).toBe(0);
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
