import type { SpawnOptions } from 'node:child_process';
import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** Thrown when a command that the bootstrap runs ends with an error; the message holds the end of its output. */
export class CommandError extends Error {
  readonly code = 'COMMAND_FAILED';
  readonly output: string;

  constructor(command: readonly string[], how: string, output: string) {
    super(`${command.join(' ')}: ${how}\n${output.trimEnd().split('\n').slice(-15).join('\n')}`);
    this.name = 'CommandError';
    this.output = output;
  }
}

/** Runs a command to its end and returns its standard output. Throws `CommandError` when it fails. */
export async function run(command: readonly string[], options: SpawnOptions = {}): Promise<string> {
  const [file = '', ...args] = command;
  const child = spawn(file, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  await new Promise<void>((resolve, reject) => {
    child.on('error', (error) => reject(new CommandError(command, error.message, '')));
    child.on('close', (code, signal) => {
      if (code === 0) resolve();
      else reject(new CommandError(command, signal ?? `exit code ${code}`, stderr + stdout));
    });
  });
  return stdout;
}

/** The full path of a command that can be executed, looked up in PATH and the folders of system programs. */
export function findCommand(name: string, path: string | undefined): string | undefined {
  const folders = [...(path ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** True while a process with this id exists. A process that ended and was not collected yet counts as gone. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return !existsSync('/proc/self/stat') || !isZombie(pid);
}

function isZombie(pid: number): boolean {
  return processStat(pid)?.state === 'Z';
}

/**
 * What tells a process apart from a later one with the same id: the clock tick at which it started.
 * Undefined when there is no such process, or no /proc.
 */
export function startOf(pid: number): string | undefined {
  return processStat(pid)?.start;
}

function processStat(pid: number): { state: string; start: string } | undefined {
  const text = readOrUndefined(`/proc/${pid}/stat`);
  // proc(5): the second field is the command in brackets and may itself hold spaces and brackets.
  const fields = text?.slice(text.lastIndexOf(') ') + 2).split(' ');
  return fields === undefined ? undefined : { state: fields[0] ?? '', start: fields[19] ?? '' };
}

function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * Asks again and again until the answer is true. Throws an error with `what` when the time is over, and at once when
 * `check` throws: a check reports "not yet" as false.
 */
export async function until(
  what: string,
  check: () => boolean | Promise<boolean>,
  options: { timeoutMs: number; everyMs?: number; signal?: AbortSignal },
): Promise<void> {
  const end = performance.now() + options.timeoutMs;
  while (!(await check())) {
    if (performance.now() > end)
      throw new Error(`${what} did not happen within ${options.timeoutMs / 1000} s.`);
    await delay(options.everyMs ?? 25, undefined, { ...(options.signal && { signal: options.signal }) });
  }
}
