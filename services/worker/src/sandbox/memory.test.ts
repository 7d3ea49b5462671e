import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { eventually } from '@cronium/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MemoryWatch } from './memory.ts';

const ID = 'c0ffee';
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cgroups-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(file: string, text: string): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), text);
}

const watch = () => new MemoryWatch({ proc: join(folder, 'proc'), cgroups: join(folder, 'sys') });

test.each([
  {
    name: 'version 1',
    cgroup: `12:cpu,cpuacct:/docker/${ID}\n5:memory:/docker/${ID}\n0::/system.slice\n`,
    peak: `sys/memory/docker/${ID}/memory.max_usage_in_bytes`,
    kills: `sys/memory/docker/${ID}/memory.oom_control`,
    text: 'oom_kill_disable 0\nunder_oom 0\noom_kill 2\n',
  },
  {
    name: 'version 2',
    cgroup: `0::/system.slice/docker-${ID}.scope\n`,
    peak: `sys/system.slice/docker-${ID}.scope/memory.peak`,
    kills: `sys/system.slice/docker-${ID}.scope/memory.events`,
    text: 'low 0\nhigh 0\nmax 41\noom 3\noom_kill 2\noom_group_kill 0\n',
  },
])(
  'peak and kills are read from cgroups of $name, and the last reading outlives the cgroup',
  async (given) => {
    write('proc/7/cgroup', given.cgroup);
    write(given.peak, '1048576\n');
    write(given.kills, given.text.replace('oom_kill 2', 'oom_kill 0'));
    const memory = watch();
    await memory.track(ID, 7);
    expect(memory.of(ID)).toEqual({ peakBytes: 1_048_576, oomKills: 0 });
    write(given.peak, '2097152\n');
    write(given.kills, given.text);
    memory.start();
    await eventually(() => memory.of(ID).oomKills === 2, { what: 'the kills are counted' });
    rmSync(dirname(join(folder, given.peak)), { recursive: true });
    await memory.close();
    expect(memory.of(ID)).toEqual({ peakBytes: 2_097_152, oomKills: 2 });
  },
);

test('a process of something else, or none, says nothing', async () => {
  write('proc/7/cgroup', '5:memory:/docker/other\n0::/\n');
  const memory = watch();
  await memory.track(ID, 7);
  await memory.track(ID, 8);
  expect(memory.of(ID)).toEqual({ peakBytes: undefined, oomKills: undefined });
});
