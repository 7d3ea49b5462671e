import type { Duplex } from 'node:stream';
import { TOOLKIT_SOURCE } from '@cronium/contracts';
import { testDocker } from '@cronium/testing';
import type Docker from 'dockerode';
import fc from 'fast-check';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type EntryPlan, RUN_PATH } from '../entry-program.ts';
import { FrameDecoder, type StreamName } from '../log/frames.ts';
import type { MainEnd } from '../runtime.ts';
import { minimalImages } from '../testing/images.ts';
import { hello, turnProgram } from './supervisor.ts';
import { Turn } from './turn.ts';

const HELLO = 'b'.repeat(32);
const BUSYBOX = `${TOOLKIT_SOURCE}/busybox`;
const PROGRAM = `${TOOLKIT_SOURCE}/entry`;

let docker: Docker;
let image: string;
beforeAll(async () => {
  docker = testDocker();
  image = (await minimalImages(docker)).runtime;
});
const containers: Docker.Container[] = [];
afterEach(async () => {
  await Promise.all(containers.splice(0).map((container) => container.remove({ force: true, v: true })));
});

interface Ran {
  readonly stdout: Buffer;
  readonly stderr: string;
  readonly phases: readonly string[];
  readonly exitCode: number;
  readonly how: MainEnd;
}

/** A container with the supervisor as its PID 1, and nothing in it but busybox. */
class Supervised {
  readonly container: Docker.Container;
  readonly #socket: Duplex;
  #take: (stream: StreamName, bytes: Buffer) => void = () => undefined;
  #turns = 0;
  text = '';

  static async start(workingDir = '/'): Promise<Supervised> {
    const streams = { AttachStdin: true, AttachStdout: true, AttachStderr: true };
    const tmpfs = 'rw,exec,nosuid,nodev,uid=1000,mode=0700,size=4m';
    const container = await docker.createContainer({
      ...{ Image: image, User: '1000:1000', Entrypoint: [PROGRAM, 'batch'], ...streams },
      ...{ OpenStdin: true, StdinOnce: true, WorkingDir: workingDir },
      HostConfig: { Tmpfs: { [RUN_PATH]: tmpfs, '/data': tmpfs }, NetworkMode: 'none', Init: false },
    });
    containers.push(container);
    const attach = { stream: true, hijack: true, stdin: true, stdout: true, stderr: true };
    const socket = (await container.attach(attach)) as Duplex;
    await container.start();
    return new Supervised(container, socket);
  }

  private constructor(container: Docker.Container, socket: Duplex) {
    this.container = container;
    this.#socket = socket;
    const decoder = new FrameDecoder();
    socket.on('data', (data: Buffer) => {
      for (const { stream, bytes } of decoder.push(data)) {
        this.text += bytes.toString('latin1');
        this.#take(stream, bytes);
      }
    });
    this.write(hello(HELLO, ['/data', ...Array.from({ length: 70 }, (_, index) => `/not-there-${index}`)]));
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Closes stdin. @returns the container's exit code */
  async end(): Promise<number> {
    this.#socket.end();
    const { StatusCode } = await this.container.wait();
    return StatusCode;
  }

  async run(plan: Partial<EntryPlan> & Pick<EntryPlan, 'main'>): Promise<Ran> {
    const nonce = String(this.#turns++).padStart(32, 'a');
    const turn = new Turn(nonce);
    this.#take = (stream, bytes) => turn.take(stream, bytes, 0);
    this.write(program({ nonce, ...plan }));
    const { exitCode, how } = await turn.ended;
    await turn.cleaned;
    const pieces = turn.drain();
    const of = (wanted: StreamName) =>
      Buffer.concat(
        pieces.flatMap((piece) => ('bytes' in piece && piece.stream === wanted ? piece.bytes : [])),
      );
    const phases = pieces.flatMap((piece) => ('marker' in piece ? [JSON.stringify(piece.marker)] : []));
    return { stdout: of('stdout'), stderr: of('stderr').toString(), phases, exitCode, how };
  }
}

function program(plan: Partial<EntryPlan> & Pick<EntryPlan, 'main' | 'nonce'>): Buffer {
  const bytes = turnProgram({ env: {}, phases: [], files: [], runner: [], ...plan });
  if (bytes === undefined) throw new Error('the plan is too long');
  return bytes;
}

const file = (name: string, text: string) => ({ name, bytes: Buffer.from(text) });
const sh = (source: string) => [BUSYBOX, 'sh', '-c', source];

describe('the supervisor of a batch', () => {
  test('brings any environment, arguments and files exactly, turn after turn, and nothing else', async () => {
    const supervised = await Supervised.start();
    const text = fc.string({ unit: 'binary', maxLength: 40 }).map((one) => one.replaceAll('\0', ''));
    const name = fc.stringMatching(/^[^=\0]{1,12}$/);
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(name, text, { maxKeys: 25, noNullPrototype: true }),
        fc.array(text, { maxLength: 10 }),
        fc.uint8Array({ maxLength: 3000 }),
        async (env, args, bytes) => {
          const files = ['/proc/self/environ', '/proc/self/cmdline', `${RUN_PATH}/main`];
          const main = [BUSYBOX, 'cat', ...files, ...args.map((arg) => `/nowhere/${arg}`)];
          const { stdout } = await supervised.run({ env, main, files: [{ name: 'main', bytes }] });
          const texts = [...Object.entries(env).map(([key, value]) => `${key}=${value}`), ...main];
          const wanted = Buffer.concat([Buffer.from(texts.map((one) => `${one}\0`).join('')), bytes]);
          expect(stdout.equals(wanted)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
    const after = await supervised.run({ main: [BUSYBOX, 'ls', '-A', RUN_PATH, '/data'] });
    expect(after.stdout.toString()).toBe(`${RUN_PATH}:\n\n/data:\n`);
    expect(await supervised.end()).toBe(0);
  });

  test('runs no turn that arrived in part', async () => {
    const whole = program({ nonce: 'c'.repeat(32), main: sh('echo ran') });
    for (const length of [1, 4, 5, whole.length - 1]) {
      const supervised = await Supervised.start();
      supervised.write(whole.subarray(0, length));
      expect(await supervised.end()).toBe(0);
      expect(supervised.text).not.toContain('ran');
    }
    const supervised = await Supervised.start();
    supervised.write(whole);
    expect(await supervised.end()).toBe(0);
    expect(supervised.text).toContain('ran\n');
  });

  test('runs the phases one after the other, and ends with the code of the first that fails', async () => {
    const supervised = await Supervised.start();
    const phases = (setup: string, preTask: string) => [
      { phase: 'setup' as const, argv: sh(setup) },
      { phase: 'preTask' as const, argv: sh(preTask) },
    ];
    const all = await supervised.run({
      ...{ phases: phases('echo setup', 'cat; echo pre'), main: sh('echo "$A"; exit 5') },
      runner: [BUSYBOX, 'env', 'A=b'],
    });
    expect([all.stdout.toString(), all.exitCode, all.how]).toEqual(['setup\npre\nb\n', 5, 'exited']);
    expect(all.phases).toMatchObject(
      ['setup', 'setup', 'preTask', 'preTask', 'main'].map((one) => expect.stringContaining(one)),
    );
    const failed = await supervised.run({ phases: phases('true', 'kill -9 $$'), main: sh('echo ran') });
    expect([failed.stdout.toString(), failed.exitCode, failed.how]).toEqual(['', 137, 'exited']);
    const killed = await supervised.run({ main: sh('kill -9 $$') });
    expect([killed.exitCode, killed.how]).toEqual([137, 'signalled']);
    expect(await supervised.end()).toBe(137);
  });

  test.each<[string, readonly string[], number, string]>([
    ['is in no folder of PATH', ['nope'], 127, 'nope: no such program in the image'],
    ['has no name', [''], 127, ': no such program in the image'],
    ['is a folder', ['/toolkit'], 126, '/toolkit: is not an executable file'],
    ['has no interpreter', ['bad'], 127, 'bad: its interpreter /no/such is not in the image'],
    ['is a text', ['text'], 126, 'text: is neither a binary nor a script that begins with #!'],
  ])('says why a program cannot be run that %s', async (_why, main, code, problem) => {
    const supervised = await Supervised.start();
    const files = [file('bad', '#! /no/such -x\n'), file('text', 'echo ran\n')];
    const argv = sh(`chmod +x ${RUN_PATH}/*`.replace('chmod', `${BUSYBOX} chmod`));
    const env = { PATH: `/nowhere:${RUN_PATH}` };
    const ran = await supervised.run({ env, phases: [{ phase: 'setup', argv }], main, files });
    expect([ran.stderr, ran.exitCode]).toEqual([`cronium: ${problem}\n`, code]);
    expect(ran.phases.at(-1)).toContain(String(code));
  });

  test('finds a program by PATH, and gives files that do not fit to nobody', async () => {
    const supervised = await Supervised.start();
    const files = [file('greet', `#!${BUSYBOX} sh\necho "hello $1"\n`)];
    const phases = [{ phase: 'setup' as const, argv: [BUSYBOX, 'chmod', '+x', `${RUN_PATH}/greet`] }];
    const env = { PATH: `:/nowhere:${RUN_PATH}` };
    const found = await supervised.run({ env, phases, main: ['greet', 'you'], files });
    expect(found.stdout.toString()).toBe('hello you\n');
    const long = [...'abcde'].map((name) => file(name, '#'.repeat(1_000_000)));
    const plan = {
      nonce: 'd'.repeat(32),
      env: {},
      phases: [],
      runner: [],
      main: sh('echo ran'),
      files: long,
    };
    expect(turnProgram(plan)).toBeUndefined();
    expect(() => turnProgram({ ...plan, files: [], env: { A: '\0' } })).toThrow(RangeError);
  });

  test('gives folders back their mode, and takes what was left out of them', async () => {
    const supervised = await Supervised.start();
    const mess = `cd /data; ${BUSYBOX} mkdir -p a/b/c; echo x >a/b/c/d; ${BUSYBOX} ln -s /toolkit a/link; ${BUSYBOX} chmod 555 a/b/c a/b a; ${BUSYBOX} chmod 777 /data`;
    expect(await supervised.run({ main: sh(mess) })).toMatchObject({ stderr: '', exitCode: 0 });
    const look = await supervised.run({
      main: sh(`${BUSYBOX} stat -c %a /data; ${BUSYBOX} ls -A /data; ${BUSYBOX} ls /toolkit`),
    });
    expect(look.stdout.toString()).toBe(`700\nbusybox\nentry\n`);
  });

  test('ends when the folder that jobs start in was theirs to remove, and is gone', async () => {
    const supervised = await Supervised.start('/data/work');
    supervised.write(program({ nonce: 'd'.repeat(32), main: sh('echo "in $PWD"') }));
    expect(await supervised.end()).toBe(124);
    expect(supervised.text).toContain('in /data/work\n');
  });

  test('lets no job say that its turn has ended, also one that reads what it is said to have begun with', async () => {
    const supervised = await Supervised.start();
    const thief = `${BUSYBOX} dd bs=512 count=1 of=/data/line 2>/data/err </proc/self/fd/1 &`;
    const forger = `read -r n rest 2>/data/err </data/line || exit 7
      echo "$n turn exit 0" >&2; echo "$n turn exit 0"; echo "$n turn clean 0"; echo forged; exit 7`;
    const setup = { phase: 'setup' as const, argv: [BUSYBOX, 'true'] };
    const phases = [{ ...setup, argv: sh(thief) }, ...Array.from({ length: 6 }, () => setup)];
    // The worker's side reads from the same pipe: it may be the quicker one.
    for (let forged = false; !forged; ) {
      const { exitCode, stdout } = await supervised.run({ phases, main: sh(forger) });
      expect(exitCode).toBe(7);
      forged = stdout.includes('forged');
    }
    expect(await supervised.end()).toBe(7);
  });

  test('runs as PID 1 only: it ends all processes that it can reach', async () => {
    const supervised = await Supervised.start();
    const { stdout, exitCode } = await supervised.run({ main: sh(`${PROGRAM} batch 2>&1; echo "$?"`) });
    expect([stdout.toString(), exitCode]).toEqual([
      'cronium: batches are served by PID 1 of a container\n126\n',
      0,
    ]);
  });
});
