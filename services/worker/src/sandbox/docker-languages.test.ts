import type { JobInput } from '@cronium/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SandboxFixture } from './testing/fixture.ts';

let fixture: SandboxFixture;
beforeAll(async () => {
  fixture = await SandboxFixture.create();
  await fixture.share();
});
afterAll(() => fixture[Symbol.asyncDispose]());

const script = (language: 'bash' | 'python' | 'node', source: string, more: object = {}): JobInput => ({
  type: 'script',
  script: { language, source, ...more },
});

describe('a script', () => {
  test.each<[string, JobInput, string]>([
    [
      'in Bash, as given, without -e',
      script('bash', 'false; [[ a == a ]] && echo "$0 ${BASH_VERSION:0:1}"'),
      '/.cronium-run/main.sh 5\n',
    ],
    [
      'in Python',
      script('python', 'import sys, os\nprint(os.getcwd(), sys.stdin.read() == "", os.listdir("."))'),
      '/workspace True []\n',
    ],
    [
      'in Node, as CommonJS',
      script('node', 'const { sep } = require("node:path"); console.log(sep, typeof module, __filename)'),
      '/ object /.cronium-run/main.js\n',
    ],
    [
      'in Node, as an ES module',
      script('node', 'import { sep } from "node:path"; console.log(sep, await 5)'),
      '/ 5\n',
    ],
    [
      'in Node, with require and top-level await',
      script('node', 'const { sep } = require("path"); console.log(sep, await 5)'),
      '/ 5\n',
    ],
  ])('%s', async (_name, input, wanted) => {
    const { stdout, stderr, exit } = await fixture.run(input);
    expect([stdout.toString(), stderr.toString()]).toEqual([wanted, '']);
    expect(exit).toMatchObject({ type: 'exited', exitCode: 0 });
  });

  test('has its setup and preTask, which share its folder', async () => {
    const more = { setup: 'open("a", "w").write("x")', preTask: 'open("a", "a").write("y")' };
    const { stdout, markers } = await fixture.run(script('python', 'print(open("a").read())', more));
    expect(stdout.toString()).toBe('xy\n');
    expect(markers).toMatchObject([
      { phase: 'setup', event: 'started' },
      { phase: 'setup', event: 'ended', exitCode: 0 },
      { phase: 'preTask', event: 'started' },
      { phase: 'preTask', event: 'ended', exitCode: 0 },
      { phase: 'main', event: 'started' },
    ]);
  });

  test('whose setup fails goes no further', async () => {
    const { stdout, exit, markers } = await fixture.run(
      script('bash', 'echo main', { setup: 'echo setup; exit 3' }),
    );
    expect(stdout.toString()).toBe('setup\n');
    expect(exit).toMatchObject({ exitCode: 3 });
    expect(markers.at(-1)).toMatchObject({ phase: 'setup', event: 'ended', exitCode: 3 });
  });

  test('has no artifact with a line break in its name, and is told', async () => {
    const source = "printf x >$'a\\nb.txt'; printf x >$'c\\nd.log'";
    const { stderr, exit } = await fixture.run({ ...script('bash', source), artifacts: ['*.txt'] });
    expect(stderr.toString()).toBe(
      'cronium: the artifact a b.txt was not stored: its name has a line break\n',
    );
    expect(exit).toMatchObject({ exitCode: 74 });
  });

  test('in an image without its interpreter says so', async () => {
    const { stderr, markers } = await fixture.run({
      ...script('python', '1'),
      image: fixture.images.job,
    } as JobInput);
    expect(stderr.toString()).toBe('cronium: python3: no such program in the image\n');
    expect(markers).toMatchObject([{ phase: 'main', event: 'unrunnable', exitCode: 127 }]);
  });
});
