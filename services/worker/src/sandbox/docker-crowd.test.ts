import { isDeepStrictEqual } from 'node:util';
import { jobContainerName, networkName, sidecarName } from '@cronium/contracts';
import { eventually } from '@cronium/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { overlap, parseCidr } from './cidr.ts';
import type { Sandbox } from './runtime.ts';
import { SandboxFixture } from './testing/fixture.ts';

const CROWD = 60;
/** How many are prepared at the same time. */
const WIDTH = 8;

let fixture: SandboxFixture;
beforeAll(async () => {
  // What 60 sandboxes ask of a daemon at once takes a busy machine its time.
  fixture = await SandboxFixture.create({ limits: { callMs: 180_000 } });
  await fixture.share();
});
afterAll(() => fixture[Symbol.asyncDispose]());

/** Runs the tasks, so many at a time; gives their results in order. */
async function inTurn<T>(count: number, task: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const lane = async () => {
    while (next < count) {
      const index = next++;
      results[index] = await task(index);
    }
  };
  await Promise.all(Array.from({ length: WIDTH }, lane));
  return results;
}

/** A part of the file's range, from its nth /24 on, that no slot of another test keeps. */
function ownRange(nth: number, bits: number): { address: string; bits: number } {
  const [a, b, c] = fixture.options.subnetRange.address.split('.').map(Number);
  return { address: `${a}.${b}.${(c ?? 0) + nth}.0`, bits };
}

describe('one daemon', () => {
  test(`holds ${CROWD} sandboxes at once, each with a subnet of its own`, { timeout: 900_000 }, async () => {
    const script = (index: number) =>
      fixture.shell(`echo ${index}; mkfifo /tmp/go; read _ </tmp/go; exit ${index}`);
    const signal = AbortSignal.timeout(840_000);
    const sandboxes = await inTurn(CROWD, (index) => fixture.prepare(script(index), { signal }));
    const subnets = sandboxes.map(({ binding }) => parseCidr(binding.subnet) ?? { first: 0, size: 0 });
    expect(subnets.filter((one, i) => subnets.some((other, j) => i < j && overlap(one, other)))).toEqual([]);
    await inTurn(CROWD, (index) => (sandboxes[index] as Sandbox).launch());
    const observed = await fixture.runtime.observe();
    expect(observed.filter(({ running }) => running).length).toBe(CROWD);

    const ended = await inTurn(CROWD, async (index) => {
      const sandbox = sandboxes[index] as Sandbox;
      const exec = await fixture.docker
        .getContainer(sandbox.binding.containerId)
        .exec({ Cmd: ['/bin/sh', '-c', 'until [ -p /tmp/go ]; do sleep 0.1; done; echo >/tmp/go'] });
      await exec.start({ Detach: true });
      const { exit, stdout } = await fixture.follow(sandbox, signal);
      await sandbox.release();
      return [stdout.toString(), exit.type === 'exited' ? exit.exitCode : exit.type];
    });
    expect(ended).toEqual(Array.from({ length: CROWD }, (_, index) => [`${index}\n`, index]));
    expect(await fixture.runtime.observe()).toEqual([]);
  });

  test('without a free subnet says so, and has one again after a release', async () => {
    // Two subnets in all.
    const small = fixture.anotherRuntime({ subnetRange: ownRange(13, 27) });
    const silent = { begin: () => undefined, end: () => undefined };
    const prepare = () =>
      small.prepare(fixture.request(fixture.shell('true')), silent, AbortSignal.timeout(150_000));
    const [first, second] = await Promise.all([prepare(), prepare()]);
    expect(small.capacity()).toBe(0);
    await expect(prepare()).rejects.toMatchObject({ code: 'capacity' });
    await first.release();
    expect(small.capacity()).toBe(1);
    const third = await prepare();
    await Promise.all([second.release(), third.release()]);
  });

  test('shares its addresses between two runtimes that know nothing of each other', async () => {
    // None is kept ahead of a job: there are just enough for both.
    const options = { subnetRange: ownRange(14, 26), idleSlots: 0 };
    const silent = { begin: () => undefined, end: () => undefined };
    const runtimes = [fixture.anotherRuntime(options), fixture.anotherRuntime(options)];
    const sandboxes = await Promise.all(
      [0, 1, 0, 1].map((which) =>
        runtimes[which]?.prepare(
          fixture.request(fixture.shell('true')),
          silent,
          AbortSignal.timeout(150_000),
        ),
      ),
    );
    expect(new Set(sandboxes.map((sandbox) => sandbox?.binding.subnet)).size).toBe(4);
    await Promise.all(sandboxes.map((sandbox) => sandbox?.release()));
  });
});

test('a job takes the slot of one that has just ended, and none is made beside it', async () => {
  await using own = await SandboxFixture.create({ limits: { slotComesBackMs: 60_000 } });
  await own.share();
  const first = await own.prepare(own.shell('true'));
  await first.launch();
  await own.follow(first);
  // Of another kind: nothing stands ready for it.
  const other = own.shell('true', { resources: { memoryMiB: 64 } });
  const [second] = await Promise.all([own.prepare(other), first.release()]);
  expect(second.binding.slot).toBe(first.binding.slot);
  await second.release();
});

describe('a job', () => {
  test('reaches its sidecar, and nothing else', async () => {
    const service = await fixture.serve('other-service', 9000);
    const neighbour = await fixture.prepare(fixture.shell('nc -ll -p 9000 -e /bin/true'));
    await neighbour.launch();
    const inspect = async (id: string) => (await fixture.docker.getContainer(id).inspect()).NetworkSettings;
    const network = networkName(neighbour.binding.slot);
    const shared = fixture.options.sharedNetwork;
    const serviceNetwork = (await inspect(service.id)).Networks[shared];
    const [neighbourJob, neighbourSidecar] = await Promise.all(
      [neighbour.binding.holderId, neighbour.binding.sidecarId].map(inspect),
    );
    const gatewayOf = (cidr: string) =>
      cidr.replace(/\d+\/\d+$/, (last) => String(Number(last.split('/')[0]) + 1));
    const targets = {
      'service on the shared network': serviceNetwork?.IPAddress,
      "shared network's gateway": serviceNetwork?.Gateway,
      "default bridge's gateway": '172.17.0.1',
      metadata: '169.254.169.254',
      "neighbour's job": neighbourJob?.Networks[network]?.IPAddress,
      "neighbour's sidecar": neighbourSidecar?.Networks[network]?.IPAddress,
      "neighbour's sidecar on the shared network": neighbourSidecar?.Networks[shared]?.IPAddress,
      "neighbour's gateway": gatewayOf(neighbour.binding.subnet),
    };
    // A daemon on the host listens on all its addresses: port 22 or not, a host that answers refuses at once.
    const tries = Object.entries(targets).map(
      ([name, address]) =>
        `for port in 9000 8081 22; do nc -w 1 ${address} $port -e /bin/true 2>/tmp/e && echo "reached: ${name} $port"; grep -q refused /tmp/e && echo "answers: ${name} $port"; done`,
    );
    const script = [
      ...tries,
      'own=$(sed -n "s/ *runtime-api//p" /etc/hosts | tr -d "\\t"); nc -w 2 "$own" 8081 -e /bin/true && echo sidecar',
      // The address where a bridge of Docker usually has the host.
      `gate=\${own%.*}.$((\${own##*.} - 1)); nc -w 1 $gate 22 -e /bin/true 2>/tmp/e && echo host; grep -q refused /tmp/e && echo host`,
      'nslookup valkey >/dev/null 2>&1 && echo resolved valkey; nslookup example.com >/dev/null 2>&1 && echo resolved',
      'ip -6 addr show dev eth0 2>/dev/null | grep inet6; cat /proc/sys/net/ipv4/ip_forward; ping -c 1 -W 1 127.0.0.1 >/dev/null 2>&1; id',
      'echo done',
    ].join('\n');
    const { stdout } = await fixture.run(fixture.shell(script));
    expect(stdout.toString()).toBe('sidecar\n0\nuid=1000 gid=1000 groups=1000\ndone\n');
    await neighbour.release();
    await service.remove({ force: true, v: true });
  });

  test('cannot fill the disk, fork without end, or get more rights', async () => {
    const resources = { diskMiB: 4, pids: 20, memoryMiB: 128 };
    const script = [
      'head -c 20000000 /dev/zero >/tmp/big 2>/dev/null; wc -c </tmp/big',
      'n=0; while [ $n -lt 60 ]; do sleep 5 & n=$((n+1)); done; echo all',
    ];
    const disk = await fixture.run(fixture.shell(script[0] ?? '', { resources }));
    expect(Number(disk.stdout.toString())).toBe(4 * 2 ** 20);
    const forks = await fixture.run(fixture.shell(script[1] ?? '', { resources }));
    expect(forks.stdout.toString()).toBe('');
    expect(forks.stderr.toString()).toMatch(/can't fork|Resource temporarily unavailable/i);
    const rights = await fixture.run(
      fixture.shell(
        'grep -E "^(CapEff|CapBnd|NoNewPrivs)" /proc/self/status | tr -d "\\t"; touch /.cronium/x 2>&1',
        { resources },
      ),
    );
    expect(rights.stdout.toString()).toBe(
      'CapEff:0000000000000000\nCapBnd:0000000000000000\nNoNewPrivs:1\ntouch: /.cronium/x: Read-only file system\n',
    );
  });

  test('has the names of the design', async () => {
    const sandbox = await fixture.prepare(fixture.shell('sleep 1000'));
    await sandbox.launch();
    const { jobId, containerId, sidecarId } = sandbox.binding;
    const namesOf = (ids: readonly string[]) =>
      Promise.all(ids.map(async (id) => (await fixture.docker.getContainer(id).inspect()).Name));
    const names = [`/${jobContainerName(jobId)}`, `/${sidecarName(jobId)}`];
    await eventually(async () => isDeepStrictEqual(await namesOf([containerId, sidecarId]), names), {
      what: 'the names of the job',
    });
    await sandbox.release();
  });
});
