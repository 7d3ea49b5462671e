'use strict';
// Cronium's helpers for Node.js; they need no package.
//
//   import cronium from 'cronium';            // or: import { input, output } from 'cronium', or require('cronium')
//   const { name } = await cronium.input();
//   await cronium.output({ greeting: `hello ${name}` });
//
// Every value goes out and comes back as JSON: false, 0, "" and null stay what they are. Calls are tried 3 times, 1 s and
// 2 s apart, when the connection fails, the answer takes too long, or its status is 500 or higher; other answers throw a
// CroniumError at once.

const { readFile } = require('node:fs/promises');
const http = require('node:http');
const { setTimeout: pause } = require('node:timers/promises');

const TRIES = 3;
const TIMEOUT_MS = 30_000;

/** A call to the runtime API failed. `status` is the HTTP status, undefined when no answer came. */
class CroniumError extends Error {
  constructor(message, options = {}) {
    super(message, options);
    this.name = 'CroniumError';
    this.status = options.status;
  }
}

// The runtime API is in the job's own network. An agent of our own: a proxy in the environment is not for it.
const agent = new http.Agent({ keepAlive: false });

function once(method, path, body, contentType) {
  const url = new URL(path, process.env.CRONIUM_RUNTIME_API ?? 'http://runtime-api:8081');
  const headers = { authorization: `Bearer ${process.env.CRONIUM_EXECUTION_TOKEN ?? ''}` };
  if (body !== undefined) {
    headers['content-type'] = contentType;
    headers['content-length'] = String(body.length);
  }
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers, agent, signal: AbortSignal.timeout(TIMEOUT_MS) });
    request.once('error', reject);
    request.once('response', (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.once('error', reject);
      response.once('end', () =>
        resolve({ status: response.statusCode, text: Buffer.concat(parts).toString() }),
      );
    });
    request.end(body);
  });
}

function reason(text) {
  try {
    const problem = JSON.parse(text);
    return problem.detail ?? problem.title ?? text;
  } catch {
    return text.slice(0, 300);
  }
}

async function call(method, path, body, contentType = 'application/json') {
  let failure;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    if (attempt > 0) await pause(1000 * 2 ** (attempt - 1));
    try {
      const { status, text } = await once(method, path, body, contentType);
      if (status < 300) return JSON.parse(text || 'null');
      failure = new CroniumError(`${method} ${path}: ${status} ${reason(text)}`, { status });
    } catch (cause) {
      failure = new CroniumError(`${method} ${path}: no answer: ${cause.message}`, { cause });
    }
    if (failure.status < 500) break;
  }
  throw failure;
}

function execution() {
  const id = process.env.CRONIUM_EXECUTION_ID;
  if (id === undefined) throw new CroniumError('this is not a Cronium job: CRONIUM_EXECUTION_ID is not set');
  return `/executions/${id}`;
}

const send = (method, path, value) => call(method, path, Buffer.from(JSON.stringify(value)));
const variable = (key) => `${execution()}/variables/${encodeURIComponent(key)}`;

async function orIfMissing(promise, fallback) {
  try {
    return await promise;
  } catch (error) {
    if (error.status === 404) return fallback;
    throw error;
  }
}

/** The job's input. */
const input = async () => (await call('GET', `${execution()}/input`)).data;

/** Sets the job's output: anything that JSON can hold, at most 5 MiB. */
const output = async (data) => void (await send('POST', `${execution()}/output`, { data: data ?? null }));

/** A variable's value; `fallback` when there is none. */
const getVariable = (key, fallback = undefined) =>
  orIfMissing(
    call('GET', variable(key)).then(({ data }) => data.value),
    fallback,
  );

/** Sets a variable and returns its version. With `ifVersion`, throws (409) when it is at another version. */
const setVariable = async (key, value, { ifVersion } = {}) =>
  (await send('PUT', variable(key), { value: value ?? null, ifVersion })).data.version;

/** Deletes a variable. */
const deleteVariable = async (key) => void (await call('DELETE', variable(key)));

/** Is there a variable of that name? */
const variableExists = (key) =>
  orIfMissing(
    call('GET', variable(key)).then(() => true),
    false,
  );

/** Adds to a variable atomically; returns the new value. */
const incrementVariable = async (key, by = 1) =>
  (await send('POST', `${variable(key)}/increment`, { by })).data.value;

/** Appends to a variable atomically; returns the new value. */
const appendVariable = async (key, text, separator = '') =>
  (await send('POST', `${variable(key)}/append`, { text, separator })).data.value;

/** Sets the job's condition, which flows branch on. */
const setCondition = async (condition) =>
  void (await send('POST', `${execution()}/condition`, { condition: Boolean(condition) }));

/** What this execution is: ids, name, type, labels, start. */
const event = async () => (await call('GET', `${execution()}/context`)).data;

/** One field of `event()`. */
const eventField = async (name) => (await event())[name];

/** A secret that the job names. */
const secret = async (name) =>
  (await call('GET', `${execution()}/secrets/${encodeURIComponent(name)}`)).data.value;

/** Tells how far the job is: 0 to 100, and a sentence. */
const progress = async (percent, message) =>
  void (await send('POST', `${execution()}/progress`, { percent, message }));

/** Stores a file; returns {path, bytes, sha256}. */
const artifact = async (file, name = file) => {
  const path = name.split('/').map(encodeURIComponent).join('/');
  return (
    await call('PUT', `${execution()}/artifacts/${path}`, await readFile(file), 'application/octet-stream')
  ).data;
};

/** Runs a tool's action; returns what the tool answered. */
const executeToolAction = async (tool, action, config = {}) =>
  (await send('POST', '/tool-actions/execute', { tool, action, config })).data;

/** Sends an e-mail. */
const sendEmail = (credential, { to, subject, body }) =>
  executeToolAction('email', 'send_message', { credential, to, subject, body });

/** Sends a message to Slack. */
const sendSlackMessage = (credential, text) =>
  executeToolAction('slack', 'send_message', { credential, text });

/** Sends a message to Discord. */
const sendDiscordMessage = (credential, content) =>
  executeToolAction('discord', 'send_message', { credential, content });

/** Ids and addresses of this execution; never the token. */
const info = () => ({
  jobId: process.env.CRONIUM_JOB_ID,
  executionId: process.env.CRONIUM_EXECUTION_ID,
  jobType: process.env.CRONIUM_JOB_TYPE,
  executionMode: process.env.CRONIUM_EXECUTION_MODE,
  runtimeApi: process.env.CRONIUM_RUNTIME_API,
  traceparent: process.env.TRACEPARENT,
});

module.exports = {
  CroniumError,
  input,
  output,
  getVariable,
  setVariable,
  deleteVariable,
  variableExists,
  incrementVariable,
  appendVariable,
  setCondition,
  event,
  eventField,
  secret,
  progress,
  artifact,
  executeToolAction,
  sendEmail,
  sendSlackMessage,
  sendDiscordMessage,
  info,
};
