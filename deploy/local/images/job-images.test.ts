import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { testEnvironment } from '@cronium/testing';
import { expect, test } from 'vitest';
import { dockerClient } from '../engine/docker-client.ts';

/** What a program prints in a container of the image, as a job's own user. */
async function printed(image: string, program: string): Promise<string> {
  const output = new PassThrough();
  const printed = text(output);
  const [, container] = await dockerClient(testEnvironment().dockerHost).run(
    image,
    ['bash', '-c', program],
    output,
    { Tty: true, HostConfig: { NetworkMode: 'none' } },
  );
  await container.remove();
  return (await printed).replaceAll('\r\n', '\n');
}

test.each([
  ['bash', 'bash'],
  ['python', 'python3'],
  ['node', 'node'],
] as const)('%s: the loader finds each library of %s in its cache', async (image, program) => {
  const libraries = `ldd "$(command -v ${program})" | awk '/=> \\// { print $1 }'`;
  const missing = `for name in $(${libraries}); do ldconfig -p | grep -q "^\\s$name " || echo "$name"; done`;
  const script = `${libraries} | grep -c libc.so; ${missing}`;
  expect(await printed(testEnvironment().images[image], script)).toBe('1\n');
});

test.each(['bash', 'python', 'node'] as const)(
  '%s: the locale is UTF-8, out of one archive',
  async (image) => {
    const script = `word=äöü; echo "\${#word}"; grep -o 'locale/.*' /proc/$$/maps | sort -u`;
    expect(await printed(testEnvironment().images[image], script)).toBe('3\nlocale/locale-archive\n');
  },
);

test('python reads and prints UTF-8', async () => {
  const script = `python3 -c 'import sys; print(len(sys.argv[1]), sys.stdout.encoding, sys.argv[1])' äöü`;
  expect(await printed(testEnvironment().images.python, script)).toBe('3 utf-8 äöü\n');
});
