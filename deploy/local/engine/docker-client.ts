import Docker from 'dockerode';

/**
 * A client for an engine; `host` as DOCKER_HOST wants it: `unix:///path` or `tcp://host:port`. With `timeoutMs`, a call
 * fails when the engine is silent for so long.
 */
export function dockerClient(host: string, options: { timeoutMs?: number } = {}): Docker {
  const url = new URL(host);
  const timeout = options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs };
  if (url.protocol === 'unix:') return new Docker({ socketPath: url.pathname, ...timeout });
  if (url.protocol === 'tcp:' || url.protocol === 'http:') {
    return new Docker({ protocol: 'http', host: url.hostname, port: Number(url.port || 2375), ...timeout });
  }
  throw new Error(`DOCKER_HOST "${host}" is not understood: use unix:///path or tcp://host:port.`);
}
