// A connection to the host of a URL, through the job's proxy where there is one, and how long its parts took.
import { request } from 'node:http';
import { connect, isIP } from 'node:net';
import { performance } from 'node:perf_hooks';
import { buffer } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';

/**
 * Connects; for https with TLS on top.
 * @returns {Promise<{socket: import('node:net').Socket, timings: {dnsMs: number, connectMs: number, tlsMs?: number}}>}
 */
export async function open(url) {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
  const proxy = proxyFor(url.protocol, host);
  const { socket, timings } = proxy ? await throughProxy(proxy, url, port) : await direct(host, port);
  if (url.protocol !== 'https:') return { socket, timings };
  const beganAt = performance.now();
  // An address is no server name (RFC 6066), but the certificate is checked for it all the same.
  const name = isIP(host) === 0 ? { servername: host } : {};
  const secure = connectTls({ socket, host, ...name, ALPNProtocols: ['http/1.1'] });
  await first(secure, 'secureConnect');
  return { socket: secure, timings: { ...timings, tlsMs: performance.now() - beganAt } };
}

function proxyFor(protocol, host) {
  const name = protocol === 'https:' ? 'https_proxy' : 'http_proxy';
  const exempt = (process.env.no_proxy ?? process.env.NO_PROXY ?? '').split(/[\s,]+/);
  if (exempt.includes(host) || exempt.includes('*')) return undefined;
  const address = process.env[name] ?? process.env[name.toUpperCase()];
  return address ? new URL(address) : undefined;
}

async function direct(host, port) {
  const beganAt = performance.now();
  let resolvedAt = beganAt;
  const socket = connect({ host, port, noDelay: true });
  socket.once('lookup', () => {
    resolvedAt = performance.now();
  });
  await first(socket, 'connect');
  return { socket, timings: { dnsMs: resolvedAt - beganAt, connectMs: performance.now() - resolvedAt } };
}

/** The proxy resolves and connects, and says how long it took. */
async function throughProxy(proxy, url, port) {
  const destination = `${url.hostname}:${port}`;
  const connecting = request({
    host: proxy.hostname,
    port: proxy.port,
    method: 'CONNECT',
    path: destination,
    headers: { host: destination },
    agent: false,
  });
  connecting.end();
  const [answer, socket, head] = await first(connecting, 'connect');
  if (answer.statusCode === 200) return { socket, timings: serverTimings(answer.headers['server-timing']) };
  const body = `${head}${await buffer(socket)}`;
  throw new Error(
    `no way to ${destination}: ${problemOf(body) ?? `the proxy answered ${answer.statusCode}`}`,
  );
}

function problemOf(body) {
  try {
    return JSON.parse(body).detail;
  } catch {
    return undefined;
  }
}

function serverTimings(header = '') {
  const of = (name) => Number(new RegExp(`(?:^|[, ])${name};dur=([\\d.]+)`).exec(header)?.[1] ?? 0);
  return { dnsMs: of('dns'), connectMs: of('connect') };
}

/** The arguments of an event; rejects when `error` comes first. */
function first(emitter, event) {
  return new Promise((resolve, reject) => {
    emitter.once('error', reject);
    emitter.once(event, (...given) => {
      emitter.off('error', reject);
      resolve(given);
    });
  });
}
