import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LogItem } from './runtime.ts';
import { bytesOf, collect, SandboxFixture } from './testing/fixture.ts';

let fixture: SandboxFixture;
beforeAll(async () => {
  fixture = await SandboxFixture.create({ logMaxBytes: 256 * 2 ** 20 });
  await fixture.share();
});
afterAll(() => fixture[Symbol.asyncDispose]());

/** With its newline 1,000 bytes. */
const LINE = '0123456789abcdefghi'.repeat(60).slice(0, 999);
const ZERO = { stdout: 0, stderr: 0 };
const signal = () => AbortSignal.timeout(55_000);

/** A job whose program prints the bytes exactly: they travel to it in its script. */
const literally = (bytes: Buffer, to = '') =>
  fixture.shell(`printf '%s' "$B" | base64 -d${to}`, { env: { B: bytes.toString('base64') } });

const HUNDRED_THOUSAND = `
awk 'BEGIN { for (i = 1; i <= 100000; i++) { print "out " i; print "err " i > "/dev/stderr"; if (i % 1000 == 0) print "" } }'
head -c 1048576 /dev/zero | tr '\\0' 'L'; echo
printf 'caf\\303\\251 \\377\\376 \\200\\n'
head -c 1048575 /dev/zero | tr '\\0' 'M'; printf 'no newline'`;

function hundredThousand(): { stdout: Buffer; stderr: Buffer } {
  const lines = Array.from({ length: 100_000 }, (_, index) => index + 1);
  const stdout = lines.map((i) => `out ${i}\n${i % 1000 === 0 ? '\n' : ''}`).join('');
  return {
    stdout: Buffer.concat([
      Buffer.from(`${stdout}${'L'.repeat(1_048_576)}\ncaf`),
      Buffer.from([0xc3, 0xa9, 0x20, 0xff, 0xfe, 0x20, 0x80, 0x0a]),
      Buffer.from(`${'M'.repeat(1_048_575)}no newline`),
    ]),
    stderr: Buffer.from(lines.map((i) => `err ${i}\n`).join('')),
  };
}

/** Equality of large buffers without a large message. */
function expectSame(got: Buffer, wanted: Buffer): void {
  const differsAt = got.findIndex((byte, index) => byte !== wanted[index]);
  expect({ length: got.length, differsAt }).toEqual({ length: wanted.length, differsAt: -1 });
}

describe("a job's output", () => {
  test('shows no secret, live, from the stored log, and to a worker that takes the container back', async () => {
    const secrets = { A: 'open\nsesame', B: 'x'.repeat(100_000) };
    const source = `printf 'an open\\nse'; sleep 0.2; printf 'same\\n'; head -c 100000 /dev/zero | tr '\\0' x; echo .`;
    const wanted = Buffer.from(`an ${'*'.repeat(11)}\n${'*'.repeat(100_000)}.\n`);
    const sandbox = await fixture.prepare(fixture.shell(source), { secrets });
    await sandbox.launch();
    expectSame(bytesOf(await collect(sandbox.output(ZERO, signal())), 'stdout'), wanted);
    expectSame(bytesOf(await collect(sandbox.output(ZERO, signal())), 'stdout'), wanted);
    expect(JSON.stringify(sandbox.binding)).not.toContain('sesame');
    const adopted = await fixture
      .anotherRuntime()
      .adopt(JSON.parse(JSON.stringify(sandbox.binding)), fixture.served);
    const rest = adopted?.output({ stdout: 8, stderr: 0 }, signal()) ?? [];
    expectSame(bytesOf(await collect(rest), 'stdout'), wanted.subarray(8));
    await sandbox.release();
  });

  test('of 100,000 lines to both streams, blank and 1 MB lines and invalid UTF-8 is exact, live and from a stored log', async () => {
    const wanted = hundredThousand();
    const sandbox = await fixture.prepare(fixture.shell(HUNDRED_THOUSAND));
    await sandbox.launch();
    const live = await collect(sandbox.output(ZERO, signal()));
    expectSame(bytesOf(live, 'stdout'), wanted.stdout);
    expectSame(bytesOf(live, 'stderr'), wanted.stderr);
    const stored = await collect(sandbox.output(ZERO, signal()));
    expectSame(bytesOf(stored, 'stderr'), wanted.stderr);
    // What is not said by an old engine's log is whether a newline followed the last long line.
    expectSame(bytesOf(stored, 'stdout').subarray(0, wanted.stdout.length), wanted.stdout);
    const resumed = await collect(sandbox.output({ stdout: 1_000_000, stderr: 500_000 }, signal()));
    expectSame(bytesOf(resumed, 'stderr'), wanted.stderr.subarray(500_000));
    await sandbox.release();
  });

  test('of any bytes is exact', async () => {
    const bytes = randomBytes(60_000);
    const [out, err] = await Promise.all([
      fixture.run(literally(bytes)),
      fixture.run(literally(bytes, ' >&2')),
    ]);
    expectSame(out.stdout, bytes);
    expectSame(err.stderr, bytes);
  });

  test('of 500 KB in its last moment is whole, each time', async () => {
    const runs = await Promise.all(
      Array.from({ length: 6 }, () =>
        fixture.run(fixture.shell("head -c 500000 /dev/zero | tr '\\0' x; exit 3")),
      ),
    );
    for (const { stdout, exit } of runs) {
      expectSame(stdout, Buffer.alloc(500_000, 'x'));
      expect(exit).toMatchObject({ exitCode: 3 });
    }
  });

  test('arrives while the job runs', async () => {
    const sandbox = await fixture.prepare(
      fixture.shell('echo first; while ! [ -e /tmp/go ]; do sleep 0.05; done; echo second'),
    );
    await sandbox.launch();
    const lines: string[] = [];
    for await (const item of sandbox.output(ZERO, signal())) {
      if (item.type !== 'record') continue;
      lines.push(Buffer.from(item.record.bytes).toString());
      if (lines.length > 1) continue;
      expect(await fixture.docker.getContainer(sandbox.binding.containerId).inspect()).toMatchObject({
        State: { Running: true },
      });
      const exec = await fixture.docker
        .getContainer(sandbox.binding.containerId)
        .exec({ Cmd: ['touch', '/tmp/go'] });
      await exec.start({ Detach: true });
    }
    expect(lines).toEqual(['first', 'second']);
    await sandbox.release();
  });

  test('of a reader that stands still does not hold the job up, and is complete all the same', async () => {
    const total = 24 * 2 ** 20;
    const sandbox = await fixture.prepare(fixture.shell(`yes ${LINE} | head -c ${total}; echo done >&2`));
    await sandbox.launch();
    const items: LogItem[] = [];
    for await (const item of sandbox.output(ZERO, signal())) {
      // Nothing is read from here until the job has ended by itself.
      if (items.length === 0) expect(await sandbox.exit(signal())).toMatchObject({ exitCode: 0 });
      items.push(item);
    }
    expectSame(bytesOf(items, 'stdout'), Buffer.alloc(total, `${LINE}\n`));
    expect(bytesOf(items, 'stderr').toString()).toBe('done\n');
    await sandbox.release();
  });
});

test('bytes that Docker rotated away before they were read are counted in a notice', async () => {
  const small = await SandboxFixture.create({ logMaxBytes: 4 * 2 ** 20 });
  await small.share();
  const total = 1000 * 30_000;
  const sandbox = await small.prepare(small.shell(`yes ${LINE} | head -c ${total}; printf end`));
  await sandbox.launch();
  const items: LogItem[] = [];
  for await (const item of sandbox.output(ZERO, signal())) {
    if (items.length === 0) await sandbox.exit(signal());
    items.push(item);
  }
  const missing = items.reduce(
    (sum, item) => sum + (item.type === 'record' ? (item.missingBytes ?? 0) : 0),
    0,
  );
  const got = bytesOf(items, 'stdout');
  expect(missing).toBeGreaterThan(0);
  expect(got.length + missing).toBe(total + 3);
  expect(got.subarray(-1003).toString()).toBe(`${LINE}\nend`);
  await sandbox.release();
  await small[Symbol.asyncDispose]();
});
