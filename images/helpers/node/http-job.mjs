// An http job's program: performs CRONIUM_HTTP_REQUEST through the job's proxy, and makes the response the job's output:
//   {status, url, headers, body, encoding?, truncated, redirects, timings: {dnsMs, connectMs, tlsMs?, firstByteMs, totalMs}}
// The body is text, or base64 where it is not UTF-8. Exit code 0 when the status is expected, 1 otherwise.
import { request as send } from 'node:http';
import { performance } from 'node:perf_hooks';
import { output } from 'cronium';
import { explain, task } from './built-in.mjs';
import { open } from './http-connection.mjs';
import { recordExchange } from './http-trace.mjs';

const MAX_REDIRECTS = 5;
const MAX_BODY_BYTES = 1024 * 1024;
/** Set by this program itself. */
const OWN_HEADERS =
  /^(?:connection|content-length|expect|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade)$/i;
/** Meant for the first origin alone. */
const CREDENTIALS = /^(?:authorization|cookie)$/i;

const job = task('CRONIUM_HTTP_REQUEST');
const method = job.method ?? 'GET';
const isExpected = (status) => job.expectStatus?.includes(status) ?? (status >= 200 && status < 400);
const without = (headers, pattern) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !pattern.test(name)));

/** Follows redirects as browsers do (https://fetch.spec.whatwg.org/#http-redirect-fetch). */
async function perform() {
  let next = {
    url: new URL(job.url),
    method,
    headers: without(job.headers ?? {}, OWN_HEADERS),
    body: job.body,
  };
  for (let redirects = 0; ; redirects++) {
    const exchange = await exchangeOnce(next);
    const { response } = exchange;
    const location = response.headers.location;
    const isRedirect = [301, 302, 303, 307, 308].includes(response.statusCode) && location !== undefined;
    if (!isRedirect || job.expectStatus?.includes(response.statusCode)) return { ...exchange, redirects };
    if (redirects === MAX_REDIRECTS)
      throw new Error(`more than ${MAX_REDIRECTS} redirects, the last to ${location}`);
    response.destroy();
    next = redirected(next, response.statusCode, location);
  }
}

function redirected(last, status, location) {
  const url = URL.parse(location, last.url);
  if (!['http:', 'https:'].includes(url?.protocol))
    throw new Error(`redirected to ${location}, which is no http URL`);
  const headers = url.origin === last.url.origin ? last.headers : without(last.headers, CREDENTIALS);
  const becomesGet =
    (status === 303 && last.method !== 'HEAD') || ([301, 302].includes(status) && last.method === 'POST');
  if (!becomesGet) return { ...last, url, headers };
  return { url, method: 'GET', headers: without(headers, /^content-/i), body: undefined };
}

/** One request, up to the head of its response. */
async function exchangeOnce({ url, method, headers, body }) {
  const beganAt = Date.now();
  const beganMs = performance.now();
  const { socket, timings } = await open(url);
  const sentMs = performance.now();
  const { promise, resolve, reject } = Promise.withResolvers();
  const request = send({
    createConnection: () => socket,
    method,
    path: `${url.pathname}${url.search}`,
    headers: {
      host: url.host,
      'user-agent': 'cronium-http-job',
      accept: '*/*',
      'accept-encoding': 'identity',
      ...lowerCased(headers),
      ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }),
      ...authorizationIn(url),
    },
  });
  request.once('error', reject);
  request.once('response', resolve);
  request.end(body);
  const response = await promise;
  const firstByteMs = performance.now() - sentMs;
  return { url, method, response, beganAt, beganMs, timings: { ...timings, firstByteMs } };
}

const lowerCased = (headers) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

function authorizationIn({ username, password }) {
  if (username === '' && password === '') return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}

async function readBody(response) {
  const parts = [];
  let length = 0;
  for await (const part of response) {
    parts.push(part);
    length += part.length;
    if (length > MAX_BODY_BYTES) break;
  }
  const truncated = length > MAX_BODY_BYTES;
  const bytes = Buffer.concat(parts).subarray(0, MAX_BODY_BYTES);
  try {
    // Cut off, it may end inside a character, which is left out.
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    return { body: decoder.decode(bytes, { stream: truncated }), truncated };
  } catch {
    return { body: bytes.toString('base64'), encoding: 'base64', truncated };
  }
}

const rounded = (timings) =>
  Object.fromEntries(
    Object.entries(timings).map(([name, milliseconds]) => [name, Math.round(milliseconds * 10) / 10]),
  );

try {
  const exchange = await perform();
  const { response, url, redirects } = exchange;
  const content = await readBody(response);
  const status = response.statusCode;
  const timings = rounded({ ...exchange.timings, totalMs: performance.now() - exchange.beganMs });
  await output({ status, url: url.href, headers: response.headers, ...content, redirects, timings });
  console.log(`${method} ${job.url}: ${status} in ${timings.totalMs} ms`);
  if (!isExpected(status)) {
    console.error(
      `status ${status} is not expected; expected is ${job.expectStatus?.join(', ') ?? '200 to 399'}`,
    );
    process.exitCode = 1;
  }
  await recordExchange({ ...exchange, timings, status });
} catch (error) {
  console.error(`${method} ${job.url} failed: ${explain(error)}`);
  process.exitCode = 1;
}
// A response that was cut off leaves its connection open.
process.exit();
