import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@cronium/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isAlive, startOf } from '../engine/run.ts';
import { endFleet, endProcesses } from './end-fleet.ts';
import { localFile, type SupervisorFile, supervisorFile, writeJson } from './files.ts';
import { SupervisedProcess } from './supervised.ts';

let folder: string;
const pids: number[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cronium-fleet-'));
});
afterEach(() => {
  for (const pid of pids.splice(0)) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  rmSync(folder, { recursive: true });
});

const STAYS = 'setInterval(() => undefined, 1000); console.log("up");';
const STUBBORN = `process.on("SIGTERM", () => undefined); ${STAYS}`;

function supervise(source: string): { process: SupervisedProcess; lines: string[]; changes: () => number } {
  const script = join(folder, 'program.mjs');
  writeFileSync(script, source);
  const lines: string[] = [];
  let changes = 0;
  const process = new SupervisedProcess({
    name: 'program',
    stage: 'worker',
    script,
    env: {},
    log: join(folder, 'logs/program.log'),
    report: (line) => lines.push(line),
    changed: () => {
      changes += 1;
    },
  });
  if (process.pid !== undefined) pids.push(process.pid);
  return { process, lines, changes: () => changes };
}

async function isUp({ log }: SupervisedProcess, times = 1): Promise<void> {
  await eventually(() => readFileSync(log, 'utf8').split('up').length > times, { what: 'the program is up' });
}

describe('a supervised process', () => {
  test('is started again when it is killed, and says so with its log', async () => {
    const { process: program, lines, changes } = supervise(STAYS);
    await isUp(program);
    const first = program.pid ?? 0;
    process.kill(first, 'SIGKILL');
    await isUp(program, 2);
    expect(program.pid).not.toBe(first);
    expect(lines[0]).toMatch(
      /^program ended \(SIGKILL\); starting it again in 0\.2 s\. Its log: .*program\.log$/,
    );
    expect(changes()).toBe(2);
    await program.stop(5000);
    expect(isAlive(program.pid ?? first)).toBe(false);
  });

  test('is not started again once it was stopped', async () => {
    const { process: program, lines } = supervise(STAYS);
    await isUp(program);
    await program.stop(5000);
    expect(program.pid).toBeUndefined();
    expect(lines).toEqual([]);
  });

  test('is killed when it does not end in time', async () => {
    const { process: program, lines } = supervise(STUBBORN);
    await isUp(program);
    await program.stop(50);
    expect(lines).toEqual(['program has not ended within 0.05 s: killing it.']);
  });

  test('counts how often it ended by itself', async () => {
    const { process: program } = supervise('process.exit(78);');
    await eventually(() => program.ends.count >= 2, { what: 'it ended twice' });
    expect(program.ends.last).toBe('exit code 78');
    await program.stop(1000);
  });
});

async function stranger(
  source: string,
): Promise<{ pid: number; start: string | undefined; exited: Promise<unknown> }> {
  const child = spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'ignore'] });
  await once(child.stdout, 'data');
  const pid = child.pid ?? 0;
  pids.push(pid);
  return { pid, start: startOf(pid), exited: once(child, 'exit') };
}

describe('ending processes', () => {
  test('ends a stopped one and a stubborn one', async () => {
    const [stopped, stubborn] = [await stranger(STAYS), await stranger(STUBBORN)];
    process.kill(stopped.pid, 'SIGSTOP');
    await endProcesses([stopped, stubborn], { graceMs: 200 });
    expect([stopped, stubborn].map(({ pid }) => isAlive(pid))).toEqual([false, false]);
  });

  test('spares a process that only has the id of an earlier one', async () => {
    const other = await stranger(STAYS);
    await endProcesses([{ pid: other.pid, start: '1' }], { graceMs: 0 });
    expect(isAlive(other.pid)).toBe(true);
  });
});

function recordOf(supervisor: { pid: number; start: string | undefined }, pid: number): SupervisorFile {
  const processes = [{ name: 'x', stage: 'producer' as const, pid, start: startOf(pid) }];
  return { supervisor, guard: null, processes, docker: [], demo: null };
}

test('ending a fleet ends its processes and forgets it', async () => {
  const left = await stranger(STAYS);
  const record = recordOf({ pid: 2 ** 22 + 1, start: '1' }, left.pid);
  writeJson(supervisorFile(folder), record);
  writeJson(localFile(folder), {});
  await endFleet(folder, record, { workerGraceMs: 1000, removeContainers: false });
  expect(isAlive(left.pid)).toBe(false);
  expect([localFile(folder), supervisorFile(folder)].map(existsSync)).toEqual([false, false]);
});

test('the guard ends the fleet when its supervisor is killed', async () => {
  const left = await stranger(STAYS);
  const guard = join(import.meta.dirname, 'guard.ts');
  const supervisor = await stranger(
    `const { spawn } = require('node:child_process');
     spawn(process.execPath, [${JSON.stringify(guard)}, ${JSON.stringify(folder)}, String(process.pid)], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
     ${STAYS}`,
  );
  writeJson(supervisorFile(folder), recordOf(supervisor, left.pid));
  process.kill(supervisor.pid, 'SIGKILL');
  await left.exited;
  await eventually(() => !existsSync(supervisorFile(folder)), { what: 'the guard has finished' });
});
