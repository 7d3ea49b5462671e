import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { startProcess } from './process.ts';

const script = fileURLToPath(new URL('./fixtures/program.ts', import.meta.url));

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('startProcess', () => {
  it('waits for the ready line and gives what it matched', async () => {
    await using program = await startProcess({ script, args: ['serve'], ready: /listening on (\S+)/ });
    expect(program.ready?.[1]).toBe('http://127.0.0.1:4242');
    expect(lives(program.pid)).toBe(true);
    expect(await program.kill()).toEqual({ code: 3, signal: null });
    expect(program.lines().at(-1)).toBe('bye');
  });

  it('kills it at the end of the block, whatever happened', async () => {
    let pid = 0;
    {
      await using program = await startProcess({ script, args: ['serve'], ready: /listening/ });
      pid = program.pid;
    }
    expect(lives(pid)).toBe(false);
  });

  it('says what the program printed when it ends before it is ready', async () => {
    await expect(startProcess({ script, args: ['die'], ready: /listening/ })).rejects.toThrow(
      /no line like \/listening\/: it ended with code 1\. Its last lines:\nno database/,
    );
  });

  it('does not wait for ever for a line', async () => {
    await using program = await startProcess({ script, args: ['serve'], ready: /listening/ });
    await expect(program.line(/never/, { timeoutMs: 10 })).rejects.toThrow('10 ms are over');
  });

  it('hands on no variable that was not asked for', async () => {
    await using program = await startProcess({ script, args: ['env'], env: { A: '1' } });
    const [, names = ''] = await program.line(/^env (.*)$/);
    expect(JSON.parse(names)).toEqual(['A', 'HOME', 'NODE_COMPILE_CACHE', 'PATH', 'TEST_RUN_ID', 'TMPDIR']);
  });
});
