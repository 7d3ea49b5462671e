import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CroniumClient } from '@cronium/client';
import { cliConfig, type Environment } from '@cronium/config';
import { z } from 'zod';
import { CommandError } from './failure.ts';

const localFleet = z.looseObject({
  producerUrl: z.url(),
  resultsUrl: z.url(),
  apiKey: z.string(),
  dashboardUrl: z.string(),
});

/** A local fleet as its `.cronium/local.json` describes it. */
export type LocalFleet = z.infer<typeof localFleet> & { readonly file: string };

/** A fleet to talk to. */
export interface Connection {
  readonly client: CroniumClient;
  /** The file that the address came from; undefined when the environment gave it. */
  readonly file: string | undefined;
}

/**
 * Finds the fleet: each of the CRONIUM_* variables that is set counts, the rest comes from the local fleet's file in this
 * folder or above.
 * @throws CommandError when there is neither; ConfigError when a variable is wrong
 */
export function connect(env: Environment, folder: string): Connection {
  const local = findLocalFleet(folder);
  const given = Object.fromEntries(
    Object.keys(cliConfig.fields).map((name) => [name, env[name]?.trim() ?? '']),
  );
  const fromEnvironment = Object.values(given).some((value) => value !== '');
  if (local === undefined && !fromEnvironment) throw noFleet();
  const config = cliConfig.parse({
    CRONIUM_PRODUCER_URL: given.CRONIUM_PRODUCER_URL || local?.producerUrl,
    CRONIUM_RESULTS_URL: given.CRONIUM_RESULTS_URL || local?.resultsUrl,
    CRONIUM_API_KEY: given.CRONIUM_API_KEY || local?.apiKey,
  });
  if (config.CRONIUM_API_KEY === undefined) throw noKey();
  const client = new CroniumClient({
    producerUrl: config.CRONIUM_PRODUCER_URL,
    resultsUrl: config.CRONIUM_RESULTS_URL,
    apiKey: config.CRONIUM_API_KEY,
  });
  return { client, file: fromEnvironment ? undefined : local?.file };
}

/** Looks for `.cronium/local.json` in a folder and those above it. */
export function findLocalFleet(folder: string): LocalFleet | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const file = join(at, '.cronium', 'local.json');
    const text = readIfThere(file);
    if (text !== undefined) return { ...parseLocal(text, file), file };
    if (dirname(at) === at) return undefined;
  }
}

function parseLocal(text: string, file: string): z.infer<typeof localFleet> {
  try {
    return localFleet.parse(JSON.parse(text));
  } catch (error) {
    throw new CommandError(
      `${file} cannot be read as a local fleet's addresses. Start the fleet again: npm start`,
      {
        cause: error,
      },
    );
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return undefined;
    throw error;
  }
}

function noFleet(): CommandError {
  return new CommandError(
    [
      'No fleet is running here: there is no .cronium/local.json in this folder or above it.',
      'Start one with: npm start',
      'Or point at one: CRONIUM_PRODUCER_URL, CRONIUM_RESULTS_URL and CRONIUM_API_KEY.',
    ].join('\n'),
  );
}

function noKey(): CommandError {
  return new CommandError(
    'No API key is given. Set CRONIUM_API_KEY to a key of the fleet at CRONIUM_PRODUCER_URL.',
  );
}
