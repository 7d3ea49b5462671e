import type { JobInput } from '@cronium/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Sandbox, SandboxBinding } from '../runtime.ts';
import { type Ran, SandboxFixture } from '../testing/fixture.ts';

let fixture: SandboxFixture;
beforeAll(async () => {
  fixture = await SandboxFixture.create();
  await fixture.share();
});
afterAll(() => fixture[Symbol.asyncDispose]());

const signal = () => AbortSignal.timeout(150_000);
const SILENT = { begin: () => undefined, end: () => undefined };
const LIMITS = { cpus: 0.5, memoryMiB: 64, pids: 40, diskMiB: 8 };
let batches = 0;

interface Job {
  readonly input: JobInput;
  readonly batchId: string;
  readonly more?: Parameters<SandboxFixture['request']>[1];
}

/** Jobs of one batch, each a shell script. */
function batch(): (source: string, more?: Partial<JobInput> & Job['more']) => Job {
  const batchId = `batch_${String(batches++).padStart(12, '0')}`;
  return (source, { jobId, attempt, secrets, ...input } = {}) => ({
    batchId,
    input: fixture.shell(source, { resources: LIMITS, isolation: 'batch', ...input } as Partial<JobInput>),
    more: { ...(jobId && { jobId }), ...(attempt && { attempt }), ...(secrets && { secrets }) },
  });
}

async function prepare({ input, batchId, more }: Job): Promise<Sandbox> {
  const request = fixture.request(input, more);
  return fixture.runtime.prepare({ ...request, payload: { ...request.payload, batchId } }, SILENT, signal());
}

interface Run extends Ran {
  readonly binding: SandboxBinding;
  readonly text: string;
}

async function run(job: Job): Promise<Run> {
  const sandbox = await prepare(job);
  try {
    await sandbox.launch();
    const ran = await fixture.follow(sandbox);
    return { ...ran, binding: sandbox.binding, text: ran.stdout.toString() };
  } finally {
    await sandbox.release();
  }
}

describe('jobs of a batch', () => {
  test('wait for each other when no more containers can be made, and none of them fails', async () => {
    // A /27 has room for two slots. First of all tests: nothing else has a subnet yet.
    const [address = ''] = fixture.options.subnetRange.address.split('/');
    const small = fixture.anotherRuntime({ subnetRange: { address, bits: 27 } });
    const { input, batchId } = batch()('sleep 0.3');
    const ends = Array.from({ length: 4 }, async () => {
      const request = fixture.request(input);
      const own = { ...request, payload: { ...request.payload, batchId } };
      const sandbox = await small.prepare(own, SILENT, signal());
      await sandbox.launch();
      const { exit } = await fixture.follow(sandbox);
      await sandbox.release();
      return exit;
    });
    for (const exit of await Promise.all(ends)) expect(exit).toMatchObject({ exitCode: 0 });
    await small.close();
  });

  test('run in one container, and see nothing of each other', async () => {
    const job = batch();
    const first = await run(
      job(
        'echo one; echo err >&2; touch /tmp/a /tmp/.b /workspace/c /data/d /dev/shm/e; mkdir -p /tmp/x/y; ln -s / /tmp/root; ln -s /data /workspace/link; mkfifo /data/pipe; truncate -s 1024G /workspace/sparse; umask 0; cd /tmp; (sleep 1000; echo late) & sleep 1000 & exit 3',
      ),
    );
    const second = await run(
      job(
        'echo "$CRONIUM_EXECUTION_ID $CRONIUM_EXECUTION_TOKEN"; umask; pwd; ls -A /tmp /workspace /data /dev/shm; ps -o pid,args',
      ),
    );
    expect(first).toMatchObject({ text: 'one\n', exit: { exitCode: 3 } });
    expect(first.stderr.toString()).toBe('err\n');
    const id = second.binding.attemptId;
    const lines = second.text.split('\n');
    expect(lines.slice(0, 3)).toEqual([`${id} token-of-${id}`, '0022', '/home']);
    expect(lines.slice(3, 10).join('|')).toBe('/data:||/dev/shm:||/tmp:||/workspace:');
    expect(lines.filter((line) => line.includes('sleep'))).toEqual([]);
    expect(second.binding.containerId).toBe(first.binding.containerId);
  });

  test('cannot look into what starts them, nor take what it is sent for the next', async () => {
    const job = batch();
    const files = 'mem environ maps syscall auxv fd/0 fd/1 fd/9 fd cwd root task/1/mem map_files';
    const first = await run(
      job(
        `for f in ${files}; do { true </proc/1/$f; } 2>/dev/null && echo "reads $f"; done
         for f in mem oom_score_adj fd/1; do { true >/proc/1/$f; } 2>/dev/null && echo "writes $f"; done
         { true </proc/self/mem; } && echo "reads its own"; kill -9 1; kill -STOP 1`,
      ),
    );
    expect(first.text).toBe('reads its own\n');
    const second = await run(job('echo "$CRONIUM_EXECUTION_ID"'));
    expect(second.text).toBe(`${second.binding.attemptId}\n`);
    expect(second.binding.containerId).toBe(first.binding.containerId);
  });

  test('keep what each wrote apart, byte for byte, also when nobody reads for a while', async () => {
    const job = batch();
    const sandbox = await prepare(
      job('yes $(printf %03999d 7) | head -c 6000000; printf "\\377\\036end"; (sleep 100; echo late) &'),
    );
    await sandbox.launch();
    await sandbox.exit(signal());
    const next = await run(job('echo next'));
    const { stdout, items } = await fixture.follow(sandbox);
    await sandbox.release();
    const wanted = Buffer.concat([
      Buffer.alloc(6_000_000, `${'7'.padStart(3999, '0')}\n`),
      Buffer.from('\xff\x1eend', 'latin1'),
    ]);
    expect(stdout.equals(wanted)).toBe(true);
    expect(items.at(-1)).toEqual({ type: 'main_end', how: 'exited' });
    expect(next.text).toBe('next\n');
  });

  test('are told apart by how they end: by signals, and by who ran out of memory', async () => {
    const job = batch();
    const killed = await run(job('kill -9 $$'));
    expect(killed).toMatchObject({ exit: { exitCode: 137 } });
    expect(killed.items.at(-1)).toEqual({ type: 'main_end', how: 'signalled' });
    const like = await run(job('exit 137'));
    expect(like.items.at(-1)).toEqual({ type: 'main_end', how: 'exited' });
    const hungry = await run(job('tail /dev/zero; echo $?'));
    expect(hungry.text).toBe('137\n');
    expect(hungry.evidence.oomKills).toBe(1);
    const modest = await run(job('echo fine'));
    expect(modest.evidence).toMatchObject({ oomKills: 0, oomEvents: 0 });
    const containers = [killed, like, hungry, modest].map(({ binding }) => binding.containerId);
    expect(new Set(containers.slice(0, 3)).size).toBe(1);
    // Docker tells of it some time: not in another job's turn.
    expect(containers[3]).not.toBe(containers[0]);
  });

  test('get SIGTERM each for itself; one that does not obey takes its container along', async () => {
    const job = batch();
    const loop = 'while :; do sleep 0.1; done';
    const stopped = async (source: string, graceMs: number) => {
      const sandbox = await prepare(job(source));
      await sandbox.launch();
      for await (const item of sandbox.output({ stdout: 0, stderr: 0 }, signal())) {
        if (item.type === 'record') await sandbox.kill(graceMs);
      }
      const exit = await sandbox.exit(signal());
      await sandbox.release();
      return { exit, container: sandbox.binding.containerId };
    };
    const obeys = await stopped(`trap 'exit 5' TERM; echo go; ${loop}`, 20_000);
    expect(obeys.exit).toMatchObject({ exitCode: 5 });
    const refuses = await stopped(`trap '' TERM; echo go; ${loop}`, 200);
    expect(refuses).toMatchObject({ exit: { exitCode: 137 }, container: obeys.container });
    expect((await run(job('true'))).binding.containerId).not.toBe(obeys.container);
  });

  test('that leave what cannot be removed, or lose their container, cost only themselves', async () => {
    const job = batch();
    const first = await run(job('mkdir /tmp/a; touch /tmp/a/b; chmod 0 /tmp/a; echo left'));
    expect(first).toMatchObject({ text: 'left\n', exit: { exitCode: 0 } });
    const second = await prepare(job('echo up; sleep 1000'));
    expect(second.binding.containerId).not.toBe(first.binding.containerId);
    await second.launch();
    await fixture.docker.getContainer(second.binding.containerId).kill();
    const { stdout, exit, evidence } = await fixture.follow(second);
    await second.release();
    expect(['', 'up\n']).toContain(stdout.toString());
    expect(exit).toMatchObject({ type: 'exited', exitCode: 137 });
    expect(evidence.kills).toMatchObject([{ signal: 'SIGKILL' }]);
    // It starts nothing itself any more when there is room for no further process.
    const lasting = 'mkfifo /tmp/p; (f) & read -t 1 x <>/tmp/p; kill -STOP 1; exit 0';
    const bomb = await run(job(`f() { f | f & }; ${lasting}`));
    expect(bomb.exit).toMatchObject({ exitCode: 0 });
    expect((await run(job('echo alive'))).text).toBe('alive\n');
  });

  test('find nothing of the scripts before them, whatever those made of their own files', async () => {
    const job = batch();
    const script = (source: string) => {
      const { batchId, more } = job('');
      const input = { type: 'script', script: { language: 'bash', source, setup: 'echo "$0"' } };
      return { batchId, more, input: { ...input, resources: LIMITS, isolation: 'batch' } as JobInput };
    };
    const sources = [
      'rm "$0"; mkdir -p "$0/a"; echo in >"$0/a/b"',
      'chmod 0 "$0"; ln -s / "${0%main.sh}setup.sh2"; cd "${0%/main.sh}"; mkfifo a; touch -- -rf',
      'ls -A "${0%/main.sh}" /tmp /workspace; cat "$0"',
    ];
    const runs: Run[] = [];
    for (const source of sources) runs.push(await run(script(source)));
    const [first, , last] = runs;
    const listed = '/.cronium-run:\nmain.sh\nsetup.sh\n\n/tmp:\n\n/workspace:\n';
    expect(last?.text).toBe(`/.cronium-run/setup.sh\n${listed}${sources[2]}`);
    expect(last?.markers).toMatchObject([
      { phase: 'setup' },
      { phase: 'setup', exitCode: 0 },
      { phase: 'main' },
    ]);
    expect(last?.binding).toMatchObject({ containerId: first?.binding.containerId, batch: { turn: 3 } });
    for (const object of ['-M 1024', '-S 1', '-Q']) {
      const left = await run(script(`ipcmk ${object} >/dev/null`));
      expect(left.exit).toMatchObject({ exitCode: 0 });
      const next = await run(script('awk "FNR > 1" /proc/sysvipc/*'));
      expect(next.text).toBe('/.cronium-run/setup.sh\n');
      expect(next.binding.containerId).not.toBe(left.binding.containerId);
    }
  });

  test('start as the first one did: limits, priorities, streams and new files are as no job before them made them', async () => {
    const job = batch();
    const python = (source: string): Job => {
      const input = {
        type: 'script',
        script: { language: 'python', source: `import fcntl, os, resource\n${source}` },
      };
      return { ...job(''), input: { ...input, resources: LIMITS, isolation: 'batch' } as JobInput };
    };
    // An access control list with which the owner of a new file may not read it.
    const list = `bytes([2, 0, 0, 0, ${[1, 4, 32].map((tag) => `${tag}, 0, 0, 0, 255, 255, 255, 255`)}])`;
    const changes = [
      'resource.prlimit(1, resource.RLIMIT_FSIZE, (5, 5))',
      'os.setpriority(os.PRIO_PROCESS, 1, 19)',
      'os.sched_setscheduler(1, os.SCHED_BATCH, os.sched_param(0))',
      'os.chmod("/proc/self/fd/1", 0)',
      'fcntl.fcntl(2, fcntl.F_SETPIPE_SZ, 4096)',
      `os.setxattr("/.cronium-run", "system.posix_acl_default", ${list})`,
    ];
    let before = await run(python('os.setpriority(os.PRIO_PROCESS, 0, 19); print("its own")'));
    expect(before.text).toBe('its own\n');
    for (const [index, change] of changes.entries()) {
      const next = await run(python(`${change}\nos.write(1, b"fine\\n")`));
      expect([change, next.text, next.stderr.toString()]).toEqual([change, 'fine\n', '']);
      expect(next.binding.containerId === before.binding.containerId).toBe(index === 0);
      before = next;
    }
  });

  test('of a worker that died are taken back: one that ran, and one before it whose log was not read', async () => {
    const job = batch();
    const dying = fixture.anotherRuntime();
    const start = async ({ input, batchId }: Job) => {
      const request = fixture.request(input);
      const own = { ...request, payload: { ...request.payload, batchId } };
      const sandbox = await dying.prepare(own, SILENT, signal());
      await sandbox.launch();
      return sandbox;
    };
    const before = await start(job('echo before; exit 4'));
    await before.exit(signal());
    const last = await start(job('echo one; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo two; exit 6'));
    expect(last.binding.containerId).toBe(before.binding.containerId);
    await dying.close();
    const back = await Promise.all(
      [before, last].map(async ({ binding }) => {
        fixture.runtime.expect(binding);
        return fixture.runtime.adopt(binding, fixture.served);
      }),
    );
    const [first, second] = back;
    if (first === undefined || second === undefined) throw new Error('a container is gone');
    const early = await fixture.follow(first);
    await first.release();
    expect(early).toMatchObject({ exit: { exitCode: 4 } });
    expect(early.stdout.toString()).toBe('before\n');
    const container = fixture.docker.getContainer(last.binding.containerId);
    await (await container.exec({ Cmd: ['/bin/touch', '/tmp/go'] })).start({});
    const late = await fixture.follow(second);
    await second.release();
    expect(late).toMatchObject({ exit: { exitCode: 6 } });
    expect(late.stdout.toString()).toBe('one\ntwo\n');
    await expect(container.inspect()).rejects.toMatchObject({ statusCode: 404 });
  });

  test('whose container ended before their logs were read do not keep their worker from stopping, and are taken back', async () => {
    const { input, batchId } = batch()('echo kept; exit 4');
    const stopping = fixture.anotherRuntime();
    const prepare = () => {
      const request = fixture.request(input);
      return stopping.prepare({ ...request, payload: { ...request.payload, batchId } }, SILENT, signal());
    };
    // One that was read and left before does not make its container free to go.
    const first = await prepare();
    await first.launch();
    await fixture.follow(first);
    await first.release();
    const sandbox = await prepare();
    expect(sandbox.binding.containerId).toBe(first.binding.containerId);
    await sandbox.launch();
    await sandbox.exit(signal());
    const container = fixture.docker.getContainer(sandbox.binding.containerId);
    await container.kill();
    await container.wait();
    // The next one gets another container: the first one's is given up from then on.
    const next = await prepare();
    expect(next.binding.containerId).not.toBe(sandbox.binding.containerId);
    await next.release();
    // Nobody releases it: its end could not be reported.
    await stopping.close();
    const successor = fixture.anotherRuntime();
    const adopted = await successor.adopt(sandbox.binding, fixture.served);
    if (adopted === undefined) throw new Error('the turn is gone');
    const { stdout, exit } = await fixture.follow(adopted);
    expect([stdout.toString(), exit]).toMatchObject(['kept\n', { exitCode: 4 }]);
    await adopted.release();
    await successor.close();
  });

  test('are shared by nobody else: another batch, other limits, a job of its own', async () => {
    const [one, other] = [batch(), batch()];
    const first = await run(one('true'));
    const more = { resources: { ...LIMITS, pids: 41 } };
    const alone = await fixture.prepare(fixture.shell('true', { isolation: 'batch' } as Partial<JobInput>));
    await alone.release();
    const ids = [await run(other('true')), await run(one('true', more))].map(
      ({ binding }) => binding.containerId,
    );
    expect(new Set([first.binding.containerId, ...ids, alone.binding.containerId]).size).toBe(4);
    expect(alone.binding.batch).toBeUndefined();
    const again = await run(one('echo "$CRONIUM_EXECUTION_ID"', { attempt: 2 }));
    expect(again.binding).toMatchObject({ containerId: first.binding.containerId, batch: { turn: 2 } });
    expect(again.text).toBe(`${again.binding.attemptId}\n`);
  });
});
