import {
  CroniumApiError,
  CroniumConnectionError,
  CroniumTimeoutError,
  CroniumWaitError,
} from '@cronium/client';
import { ConfigError } from '@cronium/config';

/** Exit codes beside a job's own. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  timedOut: 124,
  /** The fleet could not run the job. */
  infrastructure: 125,
  cancelled: 130,
} as const;

/** Thrown when a command can't do what it was asked; the message says why and what to do. */
export class CommandError extends Error {
  readonly code = 'COMMAND';
  readonly exitCode: number;

  constructor(message: string, options: ErrorOptions & { exitCode?: number } = {}) {
    super(message, options);
    this.name = 'CommandError';
    this.exitCode = options.exitCode ?? EXIT.failed;
  }
}

/** What to print of an error, with the next step; undefined for errors of the program itself. */
export function explain(error: unknown, localFile: string | undefined): string | undefined {
  if (error instanceof CroniumConnectionError) return `${error.message}\n${whenUnreachable(localFile)}`;
  if (error instanceof CroniumTimeoutError)
    return `${error.message}\nIs the machine overloaded? Look at ${originOf(error.call.url)}/ready.`;
  if (error instanceof CroniumApiError) return `${error.message}${nextStep(error)}`;
  if (error instanceof CroniumWaitError || error instanceof CommandError) return error.message;
  return error instanceof ConfigError ? error.message : undefined;
}

function whenUnreachable(localFile: string | undefined): string {
  if (localFile === undefined)
    return 'Are CRONIUM_PRODUCER_URL and CRONIUM_RESULTS_URL right, and is the fleet running?';
  return `The address is from ${localFile}. If the local fleet has ended, start it again: npm start`;
}

function nextStep(error: CroniumApiError): string {
  if (error.status === 401) return '\nThe API key was refused. Set CRONIUM_API_KEY to a good one.';
  if (error.status === 403) return '\nThis API key may not do that. Use one with another role.';
  if (error.status === 404) return whenMissing(new URL(error.call.url).pathname);
  if (error.status === 429) return '\nThe fleet has too much to do. See what waits: cronium queues';
  if (error.status === 503) return `\nWhat is missing stands in ${originOf(error.call.url)}/ready`;
  return '';
}

/** Where to look up what there is of that kind. */
const LISTS: readonly (readonly [RegExp, string])[] = [
  [/\/batches\/[^/]+(\/\w+)?$/, 'List what there is: cronium batches'],
  [/\/jobs\/[^/]+(\/(logs|trace|why|cancel|retry))?$/, 'List what there is: cronium jobs'],
  [/\/workers\//, 'List what there is: cronium workers'],
  [/\/schedules\//, 'List what there is: cronium schedule list'],
  [/\/flows\//, 'List what there is: cronium flow list'],
];

function whenMissing(path: string): string {
  const job = /\/jobs\/([^/]+)\/death$/.exec(path)?.[1];
  if (job !== undefined) return `\nHow it stands: cronium why ${job}. List what there is: cronium jobs`;
  const step = LISTS.find(([of]) => of.test(path))?.[1];
  return step === undefined ? '' : `\n${step}`;
}

function originOf(url: string): string {
  return new URL(url).origin;
}
