import { randomBytes } from 'node:crypto';
import { holderName, jobContainerName, LABEL, networkName, newJobId, sidecarName } from '@cronium/contracts';
import { eventually } from '@cronium/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bytesOf, collect, SandboxFixture } from './testing/fixture.ts';

let fixture: SandboxFixture;
beforeAll(async () => {
  fixture = await SandboxFixture.create();
  await fixture.share();
});
afterAll(() => fixture[Symbol.asyncDispose]());

const signal = () => AbortSignal.timeout(50_000);

describe('a sandbox', () => {
  test('runs a job, gives its output and its end, and leaves nothing', async () => {
    const ran = await fixture.run(fixture.shell('echo hello; echo oops >&2; exit 7'));
    expect(ran.exit).toMatchObject({ type: 'exited', exitCode: 7, oomKilled: false, error: '' });
    expect(ran.stdout.toString()).toBe('hello\n');
    expect(ran.stderr.toString()).toBe('oops\n');
    expect(ran.markers).toMatchObject([{ phase: 'main', event: 'started' }]);
    expect((await fixture.runtime.observe()).length).toBe(0);
  });

  test('runs no user code before it is launched, and ends by itself when nobody launches it', async () => {
    const sandbox = await fixture.prepare(fixture.shell('echo ran'));
    await fixture.runtime.observe();
    const other = fixture.anotherRuntime();
    const adopted = await other.adopt(sandbox.binding, fixture.served);
    await fixture.runtime.close();
    Object.assign(fixture, { runtime: fixture.anotherRuntime() });
    expect(await adopted?.exit(signal())).toMatchObject({ type: 'exited', exitCode: 125 });
    const items = await collect(adopted?.output({ stdout: 0, stderr: 0 }, signal()) ?? []);
    expect(items).toEqual([{ type: 'main_end', how: 'exited' }]);
    await adopted?.release();
  });

  test('takes the command and the arguments as a container platform does', async () => {
    const type = 'container';
    const { job: image } = fixture.images;
    const outputs = await Promise.all([
      fixture.run({ type, image }),
      fixture.run({ type, image, args: ['a', 'b'] }),
      fixture.run({ type, image, command: ['/bin/echo', 'mine'] }),
      fixture.run({ type, image, command: ['echo'], args: ["it's", '$x', ''] }),
    ]);
    expect(outputs.map(({ stdout }) => stdout.toString())).toEqual([
      'entrypoint cmd\n',
      'entrypoint a b\n',
      'mine\n',
      "it's $x \n",
    ]);
  });

  test('keeps the working folder of the image, writable /tmp and volumes, and a read-only rest', async () => {
    const script =
      'pwd; echo x >/tmp/x && echo y >/data/y && ls /tmp /data; echo z >/home/z; id -u; cut -d" " -f4 /proc/$$/stat';
    const ran = await fixture.run(fixture.shell(script));
    expect(ran.stdout.toString()).toBe('/home\n/data:\ny\n\n/tmp:\nx\n1000\n1\n');
    expect(ran.stderr.toString()).toContain('Read-only file system');
  });

  test('what a job makes in its folders and volumes stays in them: a sparse file, links, no device, no more than its share', async () => {
    const script = `
for folder in /tmp /data; do
  cd $folder
  truncate -s 1024G sparse; stat -c '%s %b' sparse
  ln -s / root; ls root/$folder
  mknod disk b 8 0 || mknod memory c 1 1 || echo no device
  dd if=/dev/zero of=full bs=1M count=64; stat -c %s full
done 2>/dev/null`;
    const job = fixture.shell(script, { resources: { diskMiB: 8 } });
    const sandbox = await fixture.prepare(job);
    const { Mounts } = await fixture.docker.getContainer(sandbox.binding.containerId).inspect();
    // All of the rest is memory that goes with the container.
    expect(Mounts.map(({ Destination, RW }) => [Destination, RW])).toEqual([['/.cronium', false]]);
    await sandbox.launch();
    const { stdout } = await fixture.follow(sandbox);
    await sandbox.release();
    const inEach = `${2 ** 40} 0\nroot\nsparse\nno device\n${8 * 2 ** 20}\n`;
    expect(stdout.toString()).toBe(inEach + inEach);
  });

  test('names the program that is not there', async () => {
    const command = (...words: string[]) => ({ ...fixture.shell(''), command: words });
    const ran = await Promise.all([
      fixture.run(command('no-such-program')),
      fixture.run(command('/no/such')),
      fixture.run(command('/data')),
    ]);
    expect(ran.map(({ markers }) => markers)).toMatchObject([
      [{ phase: 'main', event: 'unrunnable', exitCode: 127 }],
      [{ phase: 'main', event: 'unrunnable', exitCode: 127 }],
      [{ phase: 'main', event: 'unrunnable', exitCode: 126 }],
    ]);
    expect(ran.map(({ exit }) => exit)).toMatchObject([
      { exitCode: 127 },
      { exitCode: 127 },
      { exitCode: 126 },
    ]);
    expect(ran[0]?.stderr.toString()).toBe('cronium: no-such-program: no such program in the image\n');
  });

  test('may be limited to more processors than there are', async () => {
    const ran = await fixture.run(fixture.shell('echo on', { resources: { cpus: 1024 } }));
    expect(ran.stdout.toString()).toBe('on\n');
  });

  test('shows nothing secret in docker inspect', async () => {
    const sandbox = await fixture.prepare(fixture.shell('echo s3cret-script', { env: { A: 's3cret-env' } }));
    await sandbox.launch();
    const { containerId, sidecarId } = sandbox.binding;
    const inspected = await Promise.all(
      [containerId, sidecarId].map((id) => fixture.docker.getContainer(id).inspect()),
    );
    const text = JSON.stringify(inspected);
    for (const secret of ['s3cret-script', 's3cret-env', 'token-of-', sandbox.binding.nonce]) {
      expect(text).not.toContain(secret);
    }
    for (const { HostConfig, Config } of inspected) {
      expect(Config.User).toBe('1000:1000');
      expect(HostConfig.CapDrop).toEqual(['ALL']);
      expect(HostConfig.ReadonlyRootfs).toBe(true);
      expect(HostConfig.SecurityOpt).toEqual(['no-new-privileges']);
      expect(HostConfig.PidsLimit).toBeGreaterThan(0);
    }
    expect(inspected[1]?.HostConfig).toMatchObject({ Memory: 256 * 2 ** 20, NanoCpus: 5e8 });
    await sandbox.release();
  });
});

describe('the end of a job', () => {
  test('out of memory is told apart from exit 137', async () => {
    const [bomb, exit] = await Promise.all([
      fixture.run(
        fixture.shell('x=$(head -c 100000000 /dev/zero | tr "\\0" x)', { resources: { memoryMiB: 16 } }),
      ),
      fixture.run(fixture.shell('exit 137')),
    ]);
    expect(bomb.exit).toMatchObject({ type: 'exited', oomKilled: true });
    expect(bomb.evidence.oomEvents).toBeGreaterThan(0);
    expect(exit.exit).toMatchObject({ type: 'exited', exitCode: 137, oomKilled: false });
    expect(exit.evidence).toMatchObject({ oomEvents: 0, kills: [] });
  });

  test('a signal that someone sends through Docker is in the evidence', async () => {
    const sandbox = await fixture.prepare(fixture.shell('echo up; sleep 1000'));
    await sandbox.launch();
    const output = collect(sandbox.output({ stdout: 0, stderr: 0 }, signal()));
    await fixture.docker.getContainer(sandbox.binding.containerId).kill({ signal: 'SIGKILL' });
    expect(await sandbox.exit(signal())).toMatchObject({ type: 'exited', exitCode: 137, oomKilled: false });
    await output;
    await eventually(() => sandbox.evidence().kills.length > 0, { what: 'the event of the kill' });
    expect(sandbox.evidence().kills).toMatchObject([{ signal: 'SIGKILL' }]);
    await sandbox.release();
  });

  test('a container that someone removes has vanished, and its output ends', async () => {
    const sandbox = await fixture.prepare(fixture.shell('echo up; sleep 1000'));
    await sandbox.launch();
    const output = collect(sandbox.output({ stdout: 0, stderr: 0 }, signal()));
    await fixture.docker.getContainer(sandbox.binding.containerId).remove({ force: true, v: true });
    expect(await sandbox.exit(signal())).toEqual({ type: 'vanished' });
    await output;
    await eventually(() => sandbox.evidence().events.some(({ action }) => action === 'destroy'), {
      what: 'the event of the removal',
    });
    await sandbox.release();
  });

  test('kill asks first and then insists; both are idempotent', async () => {
    const polite = await fixture.prepare(
      fixture.shell("trap 'echo bye; exit 9' TERM; echo up; while :; do sleep 0.05; done"),
    );
    const deaf = await fixture.prepare(fixture.shell("trap '' TERM; echo up; while :; do sleep 0.05; done"));
    for (const sandbox of [polite, deaf]) await sandbox.launch();
    const firstLine = async (sandbox: typeof polite) => {
      for await (const item of sandbox.output({ stdout: 0, stderr: 0 }, signal()))
        if (item.type === 'record') return;
    };
    await Promise.all([firstLine(polite), firstLine(deaf)]);
    await Promise.all([polite.kill(20_000), deaf.kill(300)]);
    await Promise.all([polite.kill(0), deaf.kill(0)]);
    expect(await polite.exit(signal())).toMatchObject({ exitCode: 9 });
    expect(await deaf.exit(signal())).toMatchObject({ exitCode: 137, oomKilled: false });
    for (const sandbox of [polite, deaf]) await sandbox.release();
    for (const sandbox of [polite, deaf]) await sandbox.release();
    await polite.kill(0);
  });

  test('a frozen job does nothing until it is let go on, is killed as it stands, and both can be asked for twice', async () => {
    const sandbox = await fixture.prepare(
      fixture.shell('i=0; while :; do i=$((i + 1)); echo $i; sleep 0.02; done'),
    );
    await sandbox.launch();
    const container = fixture.docker.getContainer(sandbox.binding.containerId);
    const written = async () => (await container.logs({ stdout: true, stderr: false })).length;
    const grows = async (from: number) =>
      eventually(async () => (await written()) > from, { what: 'it goes on' });
    await grows(0);
    await Promise.all([sandbox.freeze(), sandbox.freeze()]);
    const before = await written();
    // Ten of its turns: other processes of this daemon go on meanwhile.
    expect((await fixture.run(fixture.shell('sleep 0.2'))).exit).toMatchObject({ exitCode: 0 });
    expect(await written()).toBe(before);
    await sandbox.thaw();
    await sandbox.thaw();
    await grows(before);
    await sandbox.freeze();
    await sandbox.release();
    await sandbox.freeze();
    await sandbox.thaw();
  });
});

describe('names and remains', () => {
  test('what a former attempt left under the same names is cleared away', async () => {
    const jobId = newJobId();
    const first = await fixture.prepare(fixture.shell('sleep 1000'), { jobId });
    const second = await fixture.prepare(fixture.shell('echo two'), { jobId, attempt: 2 });
    await second.launch();
    expect((await fixture.follow(second)).stdout.toString()).toBe('two\n');
    expect(await first.exit(signal())).toEqual({ type: 'vanished' });
    await second.release();
    await first.release();
  });

  test('a container left by a lost reply does not stand in the way', async () => {
    const jobId = newJobId();
    const labels = {
      [LABEL.managed]: 'true',
      [LABEL.node]: fixture.node,
      [LABEL.job]: jobId,
      [LABEL.attempt]: `${jobId}.1`,
    };
    const name = jobContainerName(jobId);
    await fixture.docker.createContainer({ name, Image: fixture.images.job, Labels: labels });
    // Nothing stands ready for such a job, so its container is made, and needs the name.
    const job = fixture.shell('echo ok', { resources: { memoryMiB: 65 } });
    const sandbox = await fixture.prepare(job, { jobId });
    await sandbox.launch();
    expect((await fixture.follow(sandbox)).stdout.toString()).toBe('ok\n');
    await sandbox.release();
  });

  test("a newer attempt's container is never removed for an older one", async () => {
    const jobId = newJobId();
    const newer = await fixture.prepare(fixture.shell('sleep 1000'), { jobId, attempt: 2 });
    await expect(fixture.prepare(fixture.shell('echo no'), { jobId, attempt: 1 })).rejects.toMatchObject({
      statusCode: 409,
    });
    expect(await fixture.docker.getContainer(newer.binding.containerId).inspect()).toMatchObject({
      State: { Running: true },
    });
    await newer.release();
  });

  test('a preparation that is given up leaves nothing', async () => {
    const controller = new AbortController();
    const observer = {
      begin: (step: string) => step === 'start' && controller.abort(new Error('enough')),
      end: () => undefined,
    };
    const given = fixture.prepare(fixture.shell('echo no'), { signal: controller.signal, observer });
    await expect(given).rejects.toMatchObject({ code: 'aborted' });
    expect(await fixture.runtime.observe()).toEqual([]);
  });

  test('reconciliation spares the living and the young, and removes the rest', async () => {
    const living = await fixture.prepare(fixture.shell('sleep 1000'));
    const dead = await fixture.prepare(fixture.shell('sleep 1000'));
    const owned = new Set([living.binding.attemptId]);
    const { containerId, slot } = dead.binding;
    const { Name: name } = await fixture.docker.getContainer(containerId).inspect();
    const names = [
      `container ${holderName(slot)}`,
      `container ${name.slice(1)}`,
      `container ${sidecarName(slot)}`,
      `network ${networkName(slot)}`,
    ];
    // A volume is the engine's and not this node's: others' may be found too.
    const reconcile = async (graceMs: number, dryRun: boolean, mayRemove = () => true) =>
      (await fixture.runtime.reconcile(owned, { graceMs, dryRun, mayRemove }))
        .filter((orphan) => !orphan.startsWith('volume '))
        .toSorted();
    expect(await reconcile(60_000, false)).toEqual([]);
    expect(await reconcile(0, true)).toEqual(names);
    // The node's name was lost while Docker was asked.
    expect(await reconcile(0, false, () => false)).toEqual([]);
    expect((await fixture.runtime.observe()).length).toBe(2);
    expect(await reconcile(0, false)).toEqual(names);
    expect(await fixture.runtime.observe()).toMatchObject([
      { attemptId: living.binding.attemptId, running: true },
    ]);
    await dead.release();
    await fixture.runtime.purge(living.binding);
    expect(await fixture.runtime.observe()).toEqual([]);
    await living.release();
  });

  test('a toolkit whose image is gone is removed, after a grace; the one in use stays', async () => {
    const gone = `cronium-toolkit-${randomBytes(6).toString('hex')}`;
    const labels = { [LABEL.managed]: 'true', [LABEL.role]: 'toolkit' };
    const volume = fixture.docker.getVolume(gone);
    await fixture.docker.createVolume({ Name: gone, Labels: labels });
    try {
      const none = new Set<string>();
      expect(await fixture.runtime.reconcile(none, { graceMs: 3_600_000, dryRun: false })).not.toContain(
        `volume ${gone}`,
      );
      expect(await fixture.runtime.reconcile(none, { graceMs: 0, dryRun: true })).toContain(`volume ${gone}`);
      await volume.inspect();
      expect(await fixture.runtime.reconcile(none, { graceMs: 0, dryRun: false })).toContain(
        `volume ${gone}`,
      );
      await expect(volume.inspect()).rejects.toMatchObject({ statusCode: 404 });
      expect((await fixture.run(fixture.shell('echo runs'))).stdout.toString()).toBe('runs\n');
    } finally {
      await volume.remove().catch(() => undefined);
    }
  });

  test('a restarted worker adopts a running sandbox and reads on where its log was acknowledged', async () => {
    const sandbox = await fixture.prepare(
      fixture.shell('echo one; echo two; sleep 2; echo three; printf end; exit 4'),
    );
    await sandbox.launch();
    const adopted = await fixture.anotherRuntime().adopt(sandbox.binding, fixture.served);
    const items = await collect(adopted?.output({ stdout: 4, stderr: 0 }, signal()) ?? []);
    expect(bytesOf(items, 'stdout').toString()).toBe('two\nthree\nend');
    expect(items.flatMap((item) => (item.type === 'marker' ? [item.marker] : []))).toMatchObject([
      { phase: 'main', event: 'started' },
    ]);
    expect(await adopted?.exit(signal())).toMatchObject({ type: 'exited', exitCode: 4 });
    await adopted?.release();
    expect(await fixture.runtime.adopt(sandbox.binding, fixture.served)).toBeUndefined();
    await sandbox.release();
  });
});
