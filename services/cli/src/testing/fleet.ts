import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

export const BIN = join(import.meta.dirname, '../../bin/cronium.mjs');
const open: (() => Promise<void> | void)[] = [];

/** Closes and removes what a test has opened. */
export async function release(): Promise<void> {
  for (const close of open.splice(0).reverse()) await close();
}

export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cronium-cli-'));
  open.push(() => rmSync(folder, { recursive: true }));
  return folder;
}

type Routes = Record<string, unknown | ((request: IncomingMessage, response: ServerResponse) => unknown)>;

/** A fleet that {@link fleetThat} stands for. */
export interface Fleet {
  readonly env: Record<string, string>;
  readonly seen: { route: string; body: string }[];
  /** Takes it away. */
  goAway(): Promise<void>;
}

/**
 * Stands for both services: answers `METHOD /path` with JSON, with a text as it is, or as the function does, which may
 * return what to answer.
 */
export async function fleetThat(routes: Routes): Promise<Fleet> {
  const seen: { route: string; body: string }[] = [];
  const server = createServer(async (request, response) => {
    const route = `${request.method} ${request.url}`;
    const answer = routes[route] ?? routes[route.replace(/\?.*$/, '')];
    seen.push({ route, body: await text(request) });
    const made = typeof answer === 'function' ? answer(request, response) : answer;
    if (response.headersSent || (typeof answer === 'function' && made === undefined)) return;
    if (typeof made === 'string') return response.end(made);
    const body = made ?? { type: 'about:blank', title: 'Not found', status: 404, detail: `no ${route}` };
    response
      .writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' })
      .end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const goAway = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  open.push(goAway);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { env: { CRONIUM_PRODUCER_URL: url, CRONIUM_RESULTS_URL: url, CRONIUM_API_KEY: 'k' }, seen, goAway };
}

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line tool as a process of its own. */
export async function cronium(
  args: readonly string[],
  {
    env = {},
    cwd = tmpdir(),
    input = '',
  }: { env?: Record<string, string>; cwd?: string; input?: string } = {},
): Promise<Ran> {
  const child = spawn(process.execPath, [BIN, ...args], { cwd, env: { PATH: '/usr/bin:/bin', ...env } });
  child.stdin.end(input);
  const exited = new Promise<number | null>((resolve) => child.on('close', resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  return { code, stdout, stderr };
}

/** The command line tool while it runs. */
export interface Running {
  readonly child: ChildProcess;
  /** Resolves when it has said that on stderr. */
  said(words: string): Promise<void>;
  readonly ended: Promise<{ readonly code: number | null; readonly stderr: string }>;
}

/** Starts the command line tool, and ends it with the test at the latest. */
export function startCronium(args: readonly string[], env: Record<string, string>): Running {
  return watched(process.execPath, [BIN, ...args], env);
}

/** The same in a shell, as npx does it. The shell is the child; it has ended when both have. */
export function startInShell(args: readonly string[], env: Record<string, string>): Running {
  const script = '"$@"; exit $?';
  return watched('sh', ['-c', script, 'sh', process.execPath, BIN, ...args], { npm_command: 'exec', ...env });
}

function watched(command: string, args: readonly string[], env: Record<string, string>): Running {
  // In a group of its own, so that all of it can be ended.
  const child = spawn(command, args, { env: { PATH: '/usr/bin:/bin', ...env }, detached: true });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (piece) => {
    stderr += piece;
  });
  let isOver = false;
  const ended = once(child, 'close').then(([code]) => {
    isOver = true;
    return { code: code as number | null, stderr };
  });
  open.push(async () => {
    if (!isOver) killGroup(child);
    await ended;
  });
  return {
    child,
    ended,
    async said(words) {
      while (!stderr.includes(words)) {
        if (child.exitCode !== null) throw new Error(`It ended and said only: ${stderr}`);
        await Promise.race([once(child.stderr, 'data'), ended]);
      }
    },
  };
}

/** It may have ended at this moment. */
function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
