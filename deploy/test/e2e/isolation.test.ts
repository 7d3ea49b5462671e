import { once } from 'node:events';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { eventually } from '@cronium/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestFleet } from './harness.ts';
import { bash, script } from './jobs.ts';
import { inspectSandbox } from './sandbox.ts';

let fleet: TestFleet;
/** Stands for a web server that the operator offers to jobs as a service. */
let shop: Awaited<ReturnType<typeof listenEverywhere>>;
beforeAll(async () => {
  shop = await listenEverywhere('of the shop');
  const [address = ''] = ownAddresses();
  const env = { CRONIUM_SERVICES: `shop:80=${address}:${shop.port},closed-shop=${address}:1` };
  fleet = await TestFleet.start({ workers: [{ env }] });
});
afterAll(async () => {
  await fleet?.[Symbol.asyncDispose]();
  await shop?.[Symbol.asyncDispose]();
});

/** What stands for a running job, once it has the job's names. */
const named = (id: string) =>
  eventually(() => inspectSandbox(fleet.host.docker, id), { what: `the names of ${id}` });

/** Tries to connect to each `host:port` of the input at once; the output says which answered. */
const REACH = `
import cronium, socket
from concurrent.futures import ThreadPoolExecutor
def reach(target):
    host, port = target.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
        return target
    except OSError:
        return None
targets = cronium.input()
with ThreadPoolExecutor(len(targets)) as pool:
    cronium.output([found for found in pool.map(reach, targets) if found])`;

/** A job that listens on all its addresses until its sibling has looked. */
const LISTEN = `
import socket, time
server = socket.create_server(("0.0.0.0", 9000))
socket.create_connection(("127.0.0.1", 9000)).close()
print("listening", flush=True)
time.sleep(600)`;

test('a job reaches its own runtime API, and neither Valkey, results, the host, nor another job', async () => {
  const other = await fleet.submit(script('python', LISTEN));
  await fleet.prints(other, 'listening');
  await using listener = await listenEverywhere();
  const { holder, sidecar, network } = await named(other);
  const addresses = [holder, sidecar].flatMap(({ NetworkSettings }) =>
    Object.values(NetworkSettings.Networks).map(({ IPAddress }) => IPAddress),
  );
  expect(addresses).toHaveLength(3);
  const { targets, gateway } = fleet.host.shared;
  const own = ownAddresses();
  expect(own).toContain(gateway);
  const job = await fleet.run(
    script('python', REACH, {
      input: [
        'runtime-api:8081',
        'valkey:6379',
        'results:7071',
        targets.valkey,
        targets.results,
        ...own.map((address) => `${address}:${listener.port}`),
        ...(network.IPAM?.Config ?? []).map(({ Subnet }) => `${firstAddress(Subnet)}:${listener.port}`),
        ...addresses.flatMap((address) => ['9000', '8081', '8082'].map((port) => `${address}:${port}`)),
        'shop:80',
        '169.254.169.254:80',
        'example.com:80',
      ],
    }),
  );
  expect((await fleet.log(job.id)).toString()).toBe('');
  expect(job.output).toEqual(['runtime-api:8081']);
  await fleet.client.cancel(other);
  await fleet.ended(other);
});

const FETCH = `
for host in shop closed-shop:1; do
  curl -sf --max-time 20 "http://$host/" || echo "no $host"
done`;

test('a job reaches the shared services that it names, also when it has egress, which is another way', async () => {
  const [named, other] = await Promise.all([
    fleet.run(bash(FETCH, { services: ['shop'], egress: { allow: ['example.com:443'] } })),
    fleet.run(bash(FETCH)),
  ]);
  const logs = await Promise.all([named, other].map(({ id }) => fleet.log(id)));
  expect(logs.map(String)).toEqual(['of the shop\nno closed-shop:1\n', 'no shop\nno closed-shop:1\n']);
  const { spans } = await fleet.client.trace(named.id);
  expect(spans.find(({ name }) => name === 'sidecar')?.attributes).toMatchObject({
    'cronium.services': 'shop',
  });
});

test('an http job may name a shared service', async () => {
  const job = await fleet.run({ type: 'http', http: { url: 'http://shop/' }, services: ['shop'] });
  expect(job).toMatchObject({ state: 'succeeded', output: { status: 200, body: 'of the shop\n' } });
});

test('a job that names a service waits for a node that offers it, and nodes tell what they offer', async () => {
  const id = await fleet.submit(bash('true', { services: ['shop', 'nowhere'] }));
  const { workers } = await fleet.client.workers();
  expect(workers).toMatchObject([
    {
      services: [
        { name: 'shop', ports: [80] },
        { name: 'closed-shop', ports: [1] },
      ],
    },
  ]);
  const { explanation } = await fleet.client.why(id);
  expect(explanation).toMatch(
    /^No worker serves pool default with the services shop, nowhere; .*CRONIUM_SERVICES/,
  );
  await fleet.client.cancel(id);
  expect(await fleet.ended(id)).toMatchObject({ state: 'cancelled', attempts: 0 });
});

test('a job may ask its runtime API about itself alone', async () => {
  const other = await fleet.submit(bash('echo running; sleep 600', { input: { private: true } }));
  await fleet.prints(other, 'running');
  const source = `
ask() { curl -s -o /dev/null -w '%{http_code} ' "$@" "$CRONIUM_RUNTIME_API$path"; }
token="Authorization: Bearer $CRONIUM_EXECUTION_TOKEN"
path=/executions/$CRONIUM_EXECUTION_ID/input; ask -H "$token"; ask; ask -H "\${token}x"
path=/executions/${other}.1/input; ask -H "$token"
path=/executions/\${CRONIUM_EXECUTION_ID%.*}.2/input; ask -H "$token"`;
  const job = await fleet.run(bash(source));
  const answers = (await fleet.log(job.id)).toString().trim().split(' ');
  expect(answers.slice(0, 3)).toEqual(['200', '401', '401']);
  for (const answer of answers.slice(3)) expect(answer).toMatch(/^40[34]$/);
  await fleet.client.cancel(other);
  await fleet.ended(other);
});

test('nothing secret shows in docker inspect of a running job, its sidecar and its network', async () => {
  const value = 'marker-in-the-secret';
  await fleet.request('/v1/secrets/SEALED', {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ value }),
  });
  const source =
    '. cronium.sh; cronium_secret SEALED; printf "and marker-in"; sleep 0.3; echo "-the-secret"; echo "token $CRONIUM_EXECUTION_TOKEN"; : marker-in-the-script; sleep 600';
  const env = { LOOKS_SECRET: 'marker-in-the-environment' };
  const input = { text: 'marker-in-the-input' };
  const id = await fleet.submit(
    bash(source, { env, input, secrets: ['SEALED'], setup: ': marker-in-setup' }),
  );
  await fleet.prints(id, 'token');
  const token = /token (\S+)/.exec((await fleet.log(id)).toString())?.[1] ?? '';
  expect(token.split('.')).toHaveLength(3);
  const hidden = '*'.repeat(value.length);
  expect((await fleet.log(id)).toString()).toMatch(`${hidden}\nand ${hidden}\ntoken`);
  // What is shown of a job is what was queued.
  const queued = JSON.stringify(await fleet.client.job(id));
  expect(queued).toContain('SEALED');
  expect(queued).not.toContain(value);
  const shown = JSON.stringify(await named(id));
  expect(shown).toContain(id);
  for (const secret of [
    token,
    token.split('.')[2] ?? '',
    'marker-in-',
    new URL(fleet.facts.valkeyUrl).password,
  ]) {
    expect(secret).not.toBe('');
    expect(shown).not.toContain(secret);
  }
  await fleet.client.cancel(id);
  await fleet.ended(id);
});

test('a job’s container is confined: user, capabilities, file system, memory, processes, names', async () => {
  const source = `
id -u; id -g
grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status | tr -d '\\t'
touch /etc/x /usr/x /.cronium/x /x 2>/dev/null && echo wrote
dd if=/dev/zero of=/workspace/full bs=1M count=20 2>/dev/null; stat -c %s /workspace/full
ls /var/run/docker.sock /dev/kmsg /dev/mem 2>/dev/null`;
  const job = await fleet.run(bash(source, { resources: { diskMiB: 8 } }));
  const lines = (await fleet.log(job.id, { stream: 'stdout' })).toString().trim().split('\n');
  expect(lines).toEqual([
    '1000',
    '1000',
    'CapEff:0000000000000000',
    'CapBnd:0000000000000000',
    'NoNewPrivs:1',
    String(8 * 2 ** 20),
  ]);
});

/** Forks until the kernel refuses. */
const FORK = `
import cronium, os, signal
children = []
try:
    while len(children) < 500:
        child = os.fork()
        if child == 0: signal.pause()
        children.append(child)
except OSError: pass
for child in children: os.kill(child, signal.SIGKILL)
cronium.output(len(children))`;

test('a job that forks without end is held at its limit, and ends by itself', async () => {
  const job = await fleet.run(script('python', FORK, { resources: { pids: 40 } }));
  expect(job.state).toBe('succeeded');
  expect(job.output).toBeGreaterThan(10);
  expect(job.output).toBeLessThan(40);
});

/** Proves that whoever has a way to this host would be heard. */
async function listenEverywhere(page?: string): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer((socket) => {
    if (page === undefined) socket.destroy();
    else socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n${page}\n`));
    socket.on('error', () => undefined);
  });
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}

/** Of this host. */
function ownAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((some) => some ?? []);
  return all.filter(({ family, internal }) => family === 'IPv4' && !internal).map(({ address }) => address);
}

/** Where a bridge's own address would be. */
function firstAddress(subnet = ''): string {
  const [a, b, c, d] = (subnet.split('/')[0] ?? '').split('.').map(Number);
  return [a, b, c, (d ?? 0) + 1].join('.');
}
