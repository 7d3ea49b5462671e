import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import type { TestFleet } from './harness.ts';

const MAIN = resolve(import.meta.dirname, '../../../services/cli/src/main.ts');

/** What a command printed, and how it ended. */
export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `cronium` against a fleet, as a person would in a terminal without colours. */
export async function cronium(fleet: TestFleet, args: readonly string[], input = ''): Promise<CliResult> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: '/',
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      NO_COLOR: '1',
      CRONIUM_PRODUCER_URL: fleet.producer.url,
      CRONIUM_RESULTS_URL: fleet.results.url,
      CRONIUM_API_KEY: fleet.facts.apiKey,
    },
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const ended = Promise.withResolvers<number | null>();
  child.on('error', ended.reject);
  child.on('close', ended.resolve);
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended.promise]);
  return { code, stdout, stderr };
}
