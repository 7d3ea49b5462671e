import Docker from 'dockerode';

/** A client for an engine; `host` as DOCKER_HOST wants it: `unix:///path` or `tcp://host:port`. */
export function dockerClient(host: string): Docker {
  const url = new URL(host);
  if (url.protocol === 'unix:') return new Docker({ socketPath: url.pathname });
  if (url.protocol === 'tcp:' || url.protocol === 'http:') {
    return new Docker({ protocol: 'http', host: url.hostname, port: Number(url.port || 2375) });
  }
  throw new Error(`DOCKER_HOST "${host}" is not understood: use unix:///path or tcp://host:port.`);
}
