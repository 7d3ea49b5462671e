// An http job's program: performs CRONIUM_HTTP_REQUEST through the job's proxy, and makes the response the job's output.
// Exit code 0 when the status is expected, 1 otherwise.
import { performance } from 'node:perf_hooks';
import { output } from 'cronium';

const MAX_REDIRECTS = 5;
const MAX_BODY_BYTES = 1024 * 1024;

const request = JSON.parse(process.env.CRONIUM_HTTP_REQUEST ?? 'null');
const isRedirect = (status) => [301, 302, 303, 307, 308].includes(status);
const isExpected = (status) => request.expectStatus?.includes(status) ?? (status >= 200 && status < 400);

/** Follows redirects itself, so that credentials never go to another origin and the count is bounded. */
async function perform() {
  let url = new URL(request.url);
  let method = request.method;
  let body = request.body;
  let headers = { ...request.headers };
  for (let hop = 0; ; hop++) {
    const response = await fetch(url, { method, headers, body, redirect: 'manual' });
    const location = response.headers.get('location');
    if (
      !isRedirect(response.status) ||
      location === null ||
      request.expectStatus?.includes(response.status)
    ) {
      return { response, url };
    }
    if (hop === MAX_REDIRECTS)
      throw new Error(`more than ${MAX_REDIRECTS} redirects, the last to ${location}`);
    await response.body?.cancel();
    const next = new URL(location, url);
    if (next.origin !== url.origin) {
      headers = Object.fromEntries(
        Object.entries(headers).filter(
          ([name]) => !/^(authorization|cookie|proxy-authorization)$/i.test(name),
        ),
      );
    }
    if (response.status === 303 || (method === 'POST' && response.status < 303)) {
      method = method === 'HEAD' ? 'HEAD' : 'GET';
      body = undefined;
    }
    url = next;
  }
}

async function readBody(response) {
  const parts = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.length;
    parts.push(part);
    if (bytes > MAX_BODY_BYTES) break;
  }
  const buffer = Buffer.concat(parts).subarray(0, MAX_BODY_BYTES);
  const truncated = bytes > MAX_BODY_BYTES;
  const text = buffer.toString('utf8');
  return Buffer.from(text, 'utf8').equals(buffer)
    ? { body: text, truncated }
    : { body: buffer.toString('base64'), encoding: 'base64', truncated };
}

function explain(error) {
  const cause = error.cause;
  return cause ? `${error.message}: ${cause.message || cause.code || cause}` : error.message;
}

try {
  const startedAt = performance.now();
  const { response, url } = await perform();
  const firstByteMs = performance.now() - startedAt;
  const body = await readBody(response);
  const totalMs = performance.now() - startedAt;
  await output({
    status: response.status,
    url: url.href,
    headers: Object.fromEntries(response.headers),
    ...body,
    timings: { firstByteMs: Math.round(firstByteMs), totalMs: Math.round(totalMs) },
  });
  console.log(`${request.method} ${request.url} -> ${response.status} in ${Math.round(totalMs)} ms`);
  if (!isExpected(response.status)) {
    console.error(
      `status ${response.status} is not among the expected: ${request.expectStatus?.join(', ') ?? '200 to 399'}`,
    );
    process.exitCode = 1;
  }
} catch (error) {
  console.error(`${request?.method} ${request?.url} failed: ${explain(error)}`);
  process.exitCode = 1;
}
// A body that was cut off may leave its connection open.
process.exit();
