import { randomBytes } from 'node:crypto';
import { TOOLKIT_ENTRY } from '@cronium/contracts';
import { testDocker } from '@cronium/testing';
import type Docker from 'dockerode';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BOOT_ENTRYPOINT, type EntryPlan, entryProgram, RUN_PATH } from './entry-program.ts';
import { FrameDecoder } from './log/frames.ts';
import { MarkerCutter } from './log/markers.ts';
import { minimalImages } from './testing/images.ts';

const NONCE = 'c'.repeat(32);
const PATH = '/bin';

/** A container with nothing but the entry program at the toolkit's place: programs are run in it one after the other. */
let docker: Docker;
let container: Docker.Container;
beforeAll(async () => {
  docker = testDocker();
  const { job } = await minimalImages(docker);
  container = await docker.createContainer({
    Image: job,
    User: '1000:1000',
    Entrypoint: ['/bin/sleep', '1000000'],
    HostConfig: {
      Tmpfs: { [RUN_PATH]: 'rw,exec,uid=1000,mode=0700,size=4m', '/.cronium': 'rw,exec,uid=1000,mode=0700' },
      NetworkMode: 'none',
    },
  });
  await container.start();
  const copy = await container.exec({
    Cmd: ['/bin/cp', '/opt/entry', TOOLKIT_ENTRY],
    AttachStderr: true,
  });
  const stream = await copy.start({});
  stream.resume();
  await new Promise((resolve) => stream.once('end', resolve));
});
afterAll(() => container?.remove({ force: true, v: true }));

interface Ran {
  readonly stdout: Buffer;
  readonly stderr: string;
  readonly markers: readonly string[];
  readonly exitCode: number | null;
}

/** Gives the bytes to a fresh container's program as a job container's worker would. */
async function boot(stdin: Buffer): Promise<Ran> {
  const attach = { AttachStdin: true, AttachStdout: true, AttachStderr: true };
  const exec = await container.exec({ Cmd: [...BOOT_ENTRYPOINT], Env: ['INHERITED=yes'], ...attach });
  const socket = await exec.start({ hijack: true, stdin: true });
  const decoder = new FrameDecoder();
  const cutter = new MarkerCutter(NONCE);
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  socket.on('data', (data: Buffer) => {
    for (const { stream, bytes } of decoder.push(data)) (stream === 'stdout' ? out : err).push(bytes);
  });
  const ended = new Promise((resolve) => socket.once('end', resolve));
  socket.end(stdin);
  await ended;
  const pieces = [...cutter.push(Buffer.concat(out)), ...cutter.end()];
  const { ExitCode: exitCode } = await exec.inspect();
  return {
    stdout: Buffer.concat(pieces.flatMap((piece) => (piece.type === 'bytes' ? [piece.bytes] : []))),
    stderr: Buffer.concat(err).toString().replace(`\x1e${NONCE} boot start 0\n`, ''),
    markers: pieces.flatMap((piece) =>
      piece.type === 'marker' ? [`${piece.marker.phase} ${piece.marker.event} ${piece.marker.code}`] : [],
    ),
    exitCode,
  };
}

const run = (plan: Partial<EntryPlan> & Pick<EntryPlan, 'main'>) =>
  boot(whole({ nonce: NONCE, env: { PATH }, phases: [], files: [], runner: [], ...plan }));
const whole = (plan: EntryPlan) => {
  const { ahead, go } = entryProgram(plan);
  return Buffer.concat([ahead, go]);
};
const file = (name: string, text: string) => ({ name, bytes: Buffer.from(text) });
const shell = (name: string) => ['/bin/sh', `${RUN_PATH}/${name}`];

/** An environment as /proc shows it, in alphabetical order: the shell has an order of its own. */
const environ = (env: Readonly<Record<string, string>>) =>
  sorted(
    Object.entries(env)
      .map(([key, text]) => `${key}=${text}\0`)
      .join(''),
  );
const sorted = (text: string) =>
  text
    .split('\0')
    .filter(Boolean)
    .sort()
    .map((one) => `${one}\0`)
    .join('');

describe('the program of a job container', () => {
  const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/);
  const nasty = fc.constantFrom(
    "'",
    "''",
    '"',
    '\\',
    '\n',
    '$(id)',
    '`',
    '$x',
    '\r',
    '\x81',
    '\u0081Á\u0088',
    '✓',
    '\x1e',
    '!',
    ' ',
    '\t',
    '*',
    '=',
  );
  const value = fc
    .array(fc.oneof(nasty, fc.string({ unit: 'binary', maxLength: 10 })), { maxLength: 12 })
    .map((parts) => parts.join('').replaceAll('\0', ''));
  const script = fc.uint8Array({ maxLength: 3000 });

  test('brings any environment, arguments and script bytes exactly, and nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(name, value, { maxKeys: 25 }),
        fc.array(value, { maxLength: 10 }),
        script,
        async (env, args, bytes) => {
          const all = { ...env, PATH };
          const main = [
            '/bin/cat',
            '/proc/self/environ',
            '/proc/self/cmdline',
            `${RUN_PATH}/main`,
            ...args.map((arg) => `/nowhere/${arg}`),
          ];
          const { stdout } = await run({ env: all, main, files: [{ name: 'main', bytes }] });
          const size = Buffer.byteLength(environ(all));
          expect(sorted(stdout.subarray(0, size).toString())).toBe(environ(all));
          const wanted = Buffer.concat([Buffer.from(main.map((arg) => `${arg}\0`).join('')), bytes]);
          expect(stdout.subarray(size).equals(wanted)).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('brings variables that mean something to a shell, and those that no shell can have', async () => {
    const names = [
      'IFS',
      'PS1',
      'PWD',
      'OLDPWD',
      'SHLVL',
      'ENV',
      'LC_ALL',
      'MAIL',
      '_',
      'HOME',
      'PPID',
      'UID',
    ];
    const ours = ['b', 'p', 'c', 'd', 'i', 'program', 'runner', 'rest'];
    const env = Object.fromEntries([...names, ...ours].map((key) => [key, `/x: ${key}\n`]));
    const computed = { RANDOM: '1', LINENO: '2', OPTIND: 'none', EPOCHSECONDS: '3', 'a.b': 'dot' };
    const main = ['/bin/cat', '/proc/self/environ'];
    for (const all of [
      { ...env, PATH },
      { ...env, ...computed, PATH },
    ]) {
      const { stdout, stderr } = await run({ env: all, main });
      expect([sorted(stdout.toString()), stderr]).toEqual([environ(all), '']);
    }
  });

  test('brings a script of 1 MiB and a megabyte of environment', async () => {
    const bytes = randomBytes(1024 * 1024);
    const env = Object.fromEntries(
      Array.from({ length: 9 }, (_, index) => [`BIG${index}`, `'${index}`.repeat(50_000)]),
    );
    const plan = { env: { PATH, ...env }, files: [{ name: 'main', bytes }] };
    const { stdout } = await run({ ...plan, main: ['/bin/cat', `${RUN_PATH}/main`, '/proc/self/environ'] });
    expect(stdout.subarray(0, bytes.length).equals(bytes)).toBe(true);
    expect(stdout.subarray(bytes.length).toString()).toContain(`BIG8=${env.BIG8}\0`);
  });

  test('refuses a NUL byte, which no program can be given', () => {
    expect(() =>
      entryProgram({ nonce: NONCE, env: { A: '\0' }, phases: [], files: [], runner: [], main: ['x'] }),
    ).toThrow(RangeError);
  });

  test('gives the job an empty stdin', async () => {
    const { stdout, exitCode } = await run({ main: ['cat'] });
    expect([stdout.toString(), exitCode]).toEqual(['', 0]);
  });

  test('does nothing when it arrived in part, or not at all', async () => {
    const plan = { nonce: NONCE, env: { PATH }, runner: [], phases: [], main: ['echo', 'ran'] };
    const { ahead, go } = entryProgram({ ...plan, files: [file('a', 'x'.repeat(2000))] });
    const all = Buffer.concat([ahead, go]);
    expect(await boot(all)).toMatchObject({ stdout: Buffer.from('ran\n'), exitCode: 0 });
    const nothing = { stdout: Buffer.alloc(0), stderr: '', exitCode: 125 };
    for (const length of [0, 1, 4, 5, 600, 2000, ahead.length - 1])
      expect(await boot(all.subarray(0, length))).toEqual({ ...nothing, markers: [] });
    // All but the word to begin.
    for (let length = ahead.length; length < all.length; length++)
      expect(await boot(all.subarray(0, length))).toEqual({ ...nothing, markers: ['boot start 0'] });
  });
});

describe('phases', () => {
  const phases = [
    { phase: 'setup' as const, argv: shell('setup') },
    { phase: 'preTask' as const, argv: shell('preTask') },
  ];
  const plan = (setup: string, preTask: string) => ({
    phases,
    main: shell('main'),
    files: [file('setup', setup), file('preTask', preTask), file('main', 'echo main; exit 5')],
  });

  test('run one after the other, each marked', async () => {
    expect(await run(plan('echo setup', 'cat; echo pre'))).toEqual({
      stdout: Buffer.from('setup\npre\nmain\n'),
      stderr: '',
      markers: [
        'boot start 0',
        'setup start 0',
        'setup exit 0',
        'preTask start 0',
        'preTask exit 0',
        'main start 0',
      ],
      exitCode: 5,
    });
  });

  test('end the attempt with the code of the first that fails', async () => {
    expect(await run(plan('exit 3', 'echo pre'))).toMatchObject({
      markers: ['boot start 0', 'setup start 0', 'setup exit 3'],
      exitCode: 3,
    });
    const second = await run(plan('true', 'kill -9 $$'));
    expect(second.markers.slice(3)).toEqual(['preTask start 0', 'preTask exit 137']);
    expect(second.exitCode).toBe(137);
  });
});

describe('a program that cannot be run', () => {
  test.each<[string, readonly string[], number, string]>([
    ['is in no folder of PATH', ['nope'], 127, 'cronium: nope: no such program in the image\n'],
    ['is not there', ['/bin/nope'], 127, 'cronium: /bin/nope: no such program in the image\n'],
    ['is a folder', ['/bin'], 126, 'cronium: /bin: is not an executable file\n'],
    [
      'has an interpreter that is not there',
      [`${RUN_PATH}/bad`],
      127,
      `cronium: ${RUN_PATH}/bad: its interpreter /no/such is not in the image\n`,
    ],
    [
      'is a text',
      [`${RUN_PATH}/text`],
      126,
      `cronium: ${RUN_PATH}/text: is neither a binary nor a script that begins with #!\n`,
    ],
  ])('that %s', async (_why, main, code, stderr) => {
    const files = [file('bad', '#!/no/such -x\n'), file('text', 'echo ran\n')];
    const argv = ['/bin/chmod', '+x', ...files.map(({ name }) => `${RUN_PATH}/${name}`)];
    const phases = [{ phase: 'setup' as const, argv }];
    const { exitCode, markers, ...rest } = await run({ phases, main, files });
    expect(rest.stderr).toBe(stderr);
    expect(exitCode).toBe(code);
    expect(markers.at(-1)).toBe(`main unrunnable ${code}`);
  });

  test('in a phase ends there', async () => {
    const { markers } = await run({ phases: [{ phase: 'setup', argv: ['nope'] }], main: ['echo'] });
    expect(markers).toEqual(['boot start 0', 'setup unrunnable 127']);
  });
});

// The last one: what it wrote fills the container.
test('a script that does not fit is not run in part', async () => {
  const files = [file('main', `echo ran\n${'#'.repeat(5 * 1024 * 1024)}`)];
  const nothing = { stdout: Buffer.alloc(0), stderr: '', markers: [], exitCode: 125 };
  expect(await run({ main: shell('main'), files })).toEqual(nothing);
});
