import { fileURLToPath } from 'node:url';
import { startProcess } from '@cronium/testing';
import { describe, expect, it } from 'vitest';

const PROGRAM = fileURLToPath(new URL('./fixtures/program.ts', import.meta.url));

async function run(options: { args?: string[]; env?: Record<string, string> }) {
  await using program = await startProcess({ script: PROGRAM, ...options });
  const { code } = await program.exited;
  return { code, output: program.lines().join('\n') };
}

describe('a program', () => {
  it('prints every variable with --help and exits with 0', async () => {
    const { code, output } = await run({ args: ['--help'] });
    expect(code).toBe(0);
    expect(output).toContain('cronium-producer: accepts jobs.');
    expect(output).toContain('CRONIUM_VALKEY_URL  (default: redis://127.0.0.1:6379)');
    expect(output).not.toContain('started');
  });

  it('does not start with a wrong configuration: it lists all problems and exits with 78', async () => {
    const { code, output } = await run({ env: { CRONIUM_PORT: 'x', CRONIUM_PREFIX: 'y' } });
    expect(code).toBe(78);
    expect(output).toContain('The configuration has 2 problems:');
    expect(output).toContain('- CRONIUM_PORT: "x"');
    expect(output).toContain('- CRONIUM_PREFIX: "y"');
    expect(output).not.toContain('started');
  });

  it('refuses arguments that it does not know with 64', async () => {
    const { code, output } = await run({ args: ['--port=1'] });
    expect(code).toBe(64);
    expect(output).toContain('takes no argument "--port=1"');
  });

  it('starts with its configuration and a warning for a misspelt variable', async () => {
    const { code, output } = await run({ env: { CRONIUM_PORT: '1234', CRONIUM_VALKY_URL: 'redis://x' } });
    expect(code).toBe(0);
    expect(output).toContain('started on port 1234');
    expect(output).toContain(
      'CRONIUM_VALKY_URL is set, but nothing reads it. Did you mean CRONIUM_VALKEY_URL?',
    );
  });
});
