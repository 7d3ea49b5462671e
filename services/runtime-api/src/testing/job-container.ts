import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { testDocker, testEnvironment } from '@cronium/testing';

/** Where a script runs, and its file's name there. */
export interface Place {
  /** One of the images for jobs. */
  readonly image: 'bash' | 'python' | 'node';
  readonly command: string;
  readonly file: string;
}

/** Gets the folders ready that the scripts expect, then becomes the script's interpreter. */
const ENTRY =
  'mkdir -p /tmp/work/out && cd /tmp/work && echo hello > "out/a file.txt" && cat > "$2" && exec "$1" "$2" </dev/null';

/**
 * Runs a script in a container of a job image, as its helpers are installed there, on this host's network: so it reaches
 * a sidecar that lives in the test's process.
 * @returns what it printed on stdout
 * @throws when it does not exit with 0
 */
export async function runInImage(
  { image, command, file }: Place,
  script: string,
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const { images, runId } = testEnvironment();
  const container = await testDocker().createContainer({
    Image: images[image],
    Entrypoint: ['sh', '-c', ENTRY, 'sh', command, file],
    Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    Labels: { 'cronium.managed': 'true', 'cronium.node': `helpers-${runId}` },
    User: '1000:1000',
    OpenStdin: true,
    StdinOnce: true,
    AttachStdin: true,
    HostConfig: { NetworkMode: 'host' },
  });
  try {
    const socket = await container.attach({
      stream: true,
      stdin: true,
      stdout: true,
      stderr: true,
      hijack: true,
    });
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    container.modem.demuxStream(socket, stdout, stderr);
    const ended = once(socket, 'end');
    const printed = Promise.all([text(stdout), text(stderr)]);
    await container.start();
    socket.end(script);
    const { StatusCode: code } = await container.wait();
    await ended;
    stdout.end();
    stderr.end();
    const [out, error] = await printed;
    if (code === 0) return out;
    throw new Error(`the script ended with ${code}: ${error.slice(-1000)}`);
  } finally {
    await container.remove({ force: true, v: true });
  }
}
