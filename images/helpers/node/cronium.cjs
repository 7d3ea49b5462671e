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

const { randomUUID } = require('node:crypto');
const { createReadStream } = require('node:fs');
const { stat } = require('node:fs/promises');
const http = require('node:http');
const { basename, isAbsolute } = require('node:path');
const { pipeline } = require('node:stream');
const { setTimeout: pause } = require('node:timers/promises');

const TRIES = 3;
const TIMEOUT_MS = 30_000;
const UPLOAD_TIMEOUT_MS = 300_000;

/** A call to the runtime API failed. `status` is the HTTP status, undefined when no answer came. */
class CroniumError extends Error {
  constructor(message, options = {}) {
    super(message, options);
    this.name = 'CroniumError';
    this.status = options.status;
  }
}

// The runtime API is in the job's own network. An agent of our own: a proxy in the environment is not for it. It takes
// some calls at a time; however many are made at once, the others wait for their turn, and their time has not begun.
const agent = new http.Agent({ keepAlive: false, maxSockets: 32 });

/** One try. The body is bytes, or the path of a file. */
async function once(method, path, { headers, body, file }) {
  const size = file === undefined ? body?.length : (await stat(file)).size;
  const base = new URL(process.env.CRONIUM_RUNTIME_API ?? 'http://runtime-api:8081');
  return new Promise((resolve, reject) => {
    const late = new AbortController();
    const request = http.request({
      host: base.hostname,
      port: base.port,
      path,
      method,
      agent,
      signal: late.signal,
      headers: {
        ...headers,
        ...(size !== undefined && { 'content-length': String(size) }),
        authorization: `Bearer ${process.env.CRONIUM_EXECUTION_TOKEN ?? ''}`,
      },
    });
    request.once('socket', () => {
      const expire = () => late.abort(new Error('it took too long'));
      const timer = setTimeout(expire, file === undefined ? TIMEOUT_MS : UPLOAD_TIMEOUT_MS);
      request.once('close', () => clearTimeout(timer));
    });
    request.once('error', reject);
    request.once('response', (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.once('error', reject);
      response.once('end', () =>
        resolve({ status: response.statusCode, text: Buffer.concat(parts).toString() }),
      );
    });
    if (file === undefined) request.end(body);
    else pipeline(createReadStream(file), request, (error) => error && reject(error));
  });
}

function reason(text) {
  try {
    const { detail, title, errors = [] } = JSON.parse(text);
    return [detail ?? title ?? text, ...errors.map(({ path, message }) => `${path}: ${message}`)].join(' ');
  } catch {
    return text.slice(0, 300);
  }
}

async function call(method, path, { body, file } = {}) {
  const headers = {
    ...(file !== undefined && { 'content-type': 'application/octet-stream' }),
    ...(body !== undefined && { 'content-type': 'application/json' }),
    // The same in all tries, so that what must not happen twice can be told apart.
    'idempotency-key': randomUUID(),
  };
  let failure;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    if (attempt > 0) await pause(1000 * 2 ** (attempt - 1));
    try {
      const { status, text } = await once(method, path, { headers, body, file });
      if (status < 300) return JSON.parse(text || 'null');
      failure = new CroniumError(`${method} ${path}: ${status} ${reason(text)}`, { status });
    } catch (cause) {
      // A file that can't be read, say: another try would not help.
      if (cause.syscall === 'stat' || cause.syscall === 'open') throw cause;
      const why = cause.cause?.message ?? cause.message;
      failure = new CroniumError(`${method} ${path}: no answer after ${TRIES} tries: ${why}`, { cause });
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

const send = (method, path, value) => call(method, path, { body: Buffer.from(JSON.stringify(value)) });

function variable(key) {
  if (['', '.', '..'].includes(key)) throw new CroniumError('a variable\'s key is not empty, "." or ".."');
  return `${execution()}/variables/${encodeURIComponent(key)}`;
}

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
const getVariable = async (key, fallback = undefined) =>
  orIfMissing(
    call('GET', variable(key)).then(({ data }) => data.value),
    fallback,
  );

/** A variable's version, for `setVariable(…, { ifVersion })`; undefined when there is none. */
const variableVersion = async (key) =>
  orIfMissing(
    call('GET', variable(key)).then(({ data }) => data.version),
    undefined,
  );

/** Sets a variable and returns its version. With `ifVersion`, throws (409) when it is at another version. */
const setVariable = async (key, value, { ifVersion } = {}) =>
  (await send('PUT', variable(key), { value: value ?? null, ifVersion })).data.version;

/** Deletes a variable; there need not be one. */
const deleteVariable = async (key) => void (await orIfMissing(call('DELETE', variable(key)), undefined));

/** Is there a variable of that name? */
const variableExists = async (key) =>
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

/** Stores a file; returns {path, bytes, sha256}. Its name is its path, without the folders when that is absolute. */
const artifact = async (file, name = isAbsolute(file) ? basename(file) : file.replace(/^\.\//, '')) => {
  const path = name.split('/').map(encodeURIComponent).join('/');
  return (await call('PUT', `${execution()}/artifacts/${path}`, { file })).data;
};

/** Runs a tool's action; returns what the tool answered. */
const executeToolAction = async (tool, action, config = {}) =>
  (await send('POST', '/tool-actions/execute', { tool, action, config })).data;

const message = (tool, config, credential) =>
  executeToolAction(tool, 'send-message', credential === undefined ? config : { credential, ...config });

/** Sends an e-mail; `more` may have html, cc, bcc and replyTo. Without a credential, the one called email is used. */
const sendEmail = async (to, subject, text, { credential, ...more } = {}) =>
  message('email', { to, subject, text, ...more }, credential);

/** Sends a message to Slack. Without a credential, the one called slack is used. */
const sendSlackMessage = async (text, { credential } = {}) => message('slack', { text }, credential);

/** Sends a message to Discord. Without a credential, the one called discord is used. */
const sendDiscordMessage = async (text, { credential } = {}) =>
  message('discord', { content: text }, credential);

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
  variableVersion,
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
