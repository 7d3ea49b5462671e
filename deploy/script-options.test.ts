import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

function run(script: string, ...args: readonly string[]) {
  const file = join(import.meta.dirname, script);
  const { status, stdout, stderr } = spawnSync(process.execPath, [file, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

test.each([
  ['npm run chaos', 'chaos/run.ts'],
  ['npm run soak', 'soak/run.ts'],
  ['npm run bench', 'bench/main.ts'],
  ['npm run demo', 'local/demo.ts'],
  ['npm start', 'local/start.ts'],
])('%s tells its usage, and of an option that it does not have', (name, script) => {
  const usage = run(script, '--help');
  expect(usage).toMatchObject({ status: 0, stderr: '' });
  expect(usage.stdout).toContain(`\nUsage: ${name} -- [--`);
  const { status, stderr } = run(script, '--nonsense');
  expect(status).toBe(2);
  expect(stderr).toContain("Unknown option '--nonsense'");
  expect(stderr).toContain(`What can be set: ${name} -- --help`);
});

test.each([
  ['chaos/run.ts', ['--minutes', 'soon'], '--minutes must be a number from 0.1 on, not "soon"'],
  ['chaos/run.ts', ['--seed', '7,x'], '--seed must be a number from 1 on, not "x"'],
  ['soak/run.ts', ['--jobs', ''], '--jobs must be a number from 10 on, not ""'],
  ['bench/main.ts', ['--runs', '-1'], '--runs must be a number from 0 on, not "-1"'],
  ['bench/main.ts', ['--only', 'start'], '--only has no "start", but starts,'],
] as const)('%s %j: %s', (script, args, message) => {
  const { status, stderr } = run(script, ...args.slice(0, 1).map((one) => `${one}=${args[1]}`));
  expect(status).toBe(2);
  expect(stderr).toContain(message);
});
