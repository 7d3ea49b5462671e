/** Anything that JSON can hold. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A call to the runtime API failed. */
export class CroniumError extends Error {
  constructor(message: string, options?: ErrorOptions & { status?: number });
  /** The HTTP status; undefined when no answer came. */
  readonly status: number | undefined;
}

/** The job's input. */
export function input<T = Json>(): Promise<T>;
/** Sets the job's output: anything that JSON can hold, at most 5 MiB. */
export function output(data: unknown): Promise<void>;
/** A variable's value; `fallback` when there is none. */
export function getVariable<T = Json, F = undefined>(key: string, fallback?: F): Promise<T | F>;
/** Sets a variable and returns its version. With `ifVersion`, throws (409) when it is at another version. */
export function setVariable(key: string, value: unknown, options?: { ifVersion?: number }): Promise<number>;
/** Deletes a variable; there need not be one. */
export function deleteVariable(key: string): Promise<void>;
/** Is there a variable of that name? */
export function variableExists(key: string): Promise<boolean>;
/** A variable's version, for `setVariable(…, { ifVersion })`; undefined when there is none. */
export function variableVersion(key: string): Promise<number | undefined>;
/** Adds to a variable atomically; returns the new value. */
export function incrementVariable(key: string, by?: number): Promise<number>;
/** Appends to a variable atomically; returns the new value. */
export function appendVariable(key: string, text: string, separator?: string): Promise<string>;
/** Sets the job's condition, which flows branch on. */
export function setCondition(condition: boolean): Promise<void>;

/** What this execution is. */
export interface Context {
  executionId: string;
  jobId: string;
  attempt: number;
  name: string;
  type: string;
  tenant: string;
  startTime: string;
  labels: Record<string, string>;
  batchId: string | null;
  traceparent: string;
}
/** What this execution is: ids, name, type, labels, start. */
export function event(): Promise<Context>;
/** One field of `event()`. */
export function eventField<K extends keyof Context>(name: K): Promise<Context[K]>;
/** A secret that the job names. */
export function secret(name: string): Promise<string>;
/** Tells how far the job is: 0 to 100, and a sentence. */
export function progress(percent?: number, message?: string): Promise<void>;
/** Stores a file. Its name is its path, without the folders when that is absolute. */
export function artifact(
  file: string,
  name?: string,
): Promise<{ path: string; bytes: number; sha256: string }>;

/** Runs a tool's action; returns what the tool answered. */
export function executeToolAction(
  tool: string,
  action: string,
  config?: Record<string, unknown>,
): Promise<Json>;
/** The name of a stored credential; default: the one that is called like the tool. */
export interface MessageOptions {
  credential?: string;
}
export interface EmailOptions extends MessageOptions {
  html?: string;
  cc?: string | string[];
  bcc?: string | string[];
  replyTo?: string;
}
/** Sends an e-mail. */
export function sendEmail(
  to: string | string[],
  subject: string,
  text: string,
  options?: EmailOptions,
): Promise<Json>;
/** Sends a message to Slack. */
export function sendSlackMessage(text: string, options?: MessageOptions): Promise<Json>;
/** Sends a message to Discord. */
export function sendDiscordMessage(text: string, options?: MessageOptions): Promise<Json>;

/** Ids and addresses of this execution; never the token. */
export function info(): {
  jobId: string | undefined;
  executionId: string | undefined;
  jobType: string | undefined;
  executionMode: string | undefined;
  runtimeApi: string | undefined;
  traceparent: string | undefined;
};
