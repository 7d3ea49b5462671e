import { readFileSync } from 'node:fs';
import { readiness } from '@cronium/contracts';
import { pause } from './pause.ts';
import type { SupervisedProcess } from './supervised.ts';

/** Thrown when a process of the fleet does not become ready; says which, why, and where its log is. */
export class NotReadyError extends Error {
  readonly code = 'NOT_READY';

  constructor(message: string) {
    super(message);
    this.name = 'NotReadyError';
  }
}

/** What to wait for. */
export interface Awaited {
  readonly process: SupervisedProcess;
  readonly url: string;
}

const TIMEOUT_MS = 180_000;
const TELL_AFTER_MS = 10_000;
const MAX_ENDS = 3;

/** Waits until each `/ready` is 200; says what is missing when that takes longer. */
export async function waitUntilReady(
  all: readonly Awaited[],
  { report, signal }: { report(line: string): void; signal: AbortSignal },
): Promise<void> {
  const startedAt = performance.now();
  await Promise.all(all.map((one) => waitForOne(one, { report, signal, startedAt })));
}

async function waitForOne(
  { process, url }: Awaited,
  options: { report(line: string): void; signal: AbortSignal; startedAt: number },
): Promise<void> {
  let told = '';
  for (;;) {
    options.signal.throwIfAborted();
    const missing = await whatIsMissing(url);
    if (missing === undefined) return;
    throwIfHopeless(process);
    const waitedMs = performance.now() - options.startedAt;
    if (waitedMs > TIMEOUT_MS)
      throw new NotReadyError(
        `${process.name} is not ready after ${TIMEOUT_MS / 1000} s: ${missing}\nIts log: ${process.log}`,
      );
    if (waitedMs > TELL_AFTER_MS && missing !== told) {
      options.report(`Waiting for ${process.name}: ${missing}`);
      told = missing;
    }
    await pause(100, options.signal);
  }
}

/** A wrong configuration (exit code 78) or a service that ends again and again will not become ready. */
function throwIfHopeless(process: SupervisedProcess): void {
  const { count, last } = process.ends;
  if (count === 0 || (count < MAX_ENDS && last !== 'exit code 78')) return;
  throw new NotReadyError(
    `${process.name} cannot start (${last}). The end of ${process.log}:\n${tail(process.log)}`,
  );
}

function tail(path: string): string {
  return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-15).join('\n');
}

/** Undefined when it is ready. */
async function whatIsMissing(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(5000) });
    const body = await response.text();
    return response.ok ? undefined : describe(body);
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    if (cause instanceof Error && 'code' in cause && cause.code === 'ECONNREFUSED')
      return `it is starting, and does not listen on ${url} yet`;
    return `no answer from ${url}/ready (${cause instanceof Error ? cause.message : String(cause)})`;
  }
}

function describe(body: string): string {
  try {
    const { checks } = readiness.parse(JSON.parse(body));
    return checks
      .filter(({ ok }) => !ok)
      .map(({ name, message }) => (message === undefined ? name : `${name}: ${message}`))
      .join('; ');
  } catch {
    return body.slice(0, 300);
  }
}
