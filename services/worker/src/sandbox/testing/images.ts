import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { LABEL, TOOLKIT_SOURCE } from '@cronium/contracts';
import { testEnvironment } from '@cronium/testing';
import type Docker from 'dockerode';
import { tarArchive } from './tar.ts';

/** Images of one static program each: sixty sandboxes of them fit on a small machine. */
export interface MinimalImages {
  /** Stands for the sidecar's: speaks its protocol and takes connections, does nothing else. It is ill where /tmp/ill exists. */
  readonly runtime: string;
  /** Busybox with all its applets, no interpreter of any job language. */
  readonly job: string;
}

/** A daemon that is stopped or started waits ten seconds for each container that leaves SIGTERM unanswered. */
const STOP = 'STOPSIGNAL SIGKILL';

const SIDECAR = `
b=${TOOLKIT_SOURCE}/busybox
"$b" nc -ll -p 8081 -e "$b" cat &
while read -r line; do
  case $line in
    '{"type":"configure"'*) echo '{"type":"ready"}';;
    '{"type":"bind"'*) id=\${line#*'"attemptId":"'}; echo '{"type":"bound","attemptId":"'"\${id%%'"'*}"'"}';;
    '{"type":"unbind"'*) echo '{"type":"unbound"}';;
    '{"type":"health"'*) if [ -e /tmp/ill ]; then echo '{"type":"health","problem":"ill"}'; else echo '{"type":"health"}'; fi;;
  esac
done
exec "$b" sleep 1000000`;

/** Builds both from the busybox in the fleet's runtime image; the second time Docker has them. */
export async function minimalImages(docker: Docker): Promise<MinimalImages> {
  const from = `FROM ${testEnvironment().images.runtime} AS toolkit\nFROM scratch\nCOPY --from=toolkit ${TOOLKIT_SOURCE}`;
  const runtime = 'cronium-test/sidecar:local';
  await build(docker, runtime, [
    `${from} ${TOOLKIT_SOURCE}`,
    'COPY sidecar /sidecar',
    STOP,
    `ENTRYPOINT ["${TOOLKIT_SOURCE}/busybox", "sh", "/sidecar"]`,
  ]);
  const job = 'cronium-test/job:local';
  await build(docker, job, [
    `${from}/busybox /bin/busybox`,
    `COPY --from=toolkit ${TOOLKIT_SOURCE}/entry /opt/entry`,
    'RUN ["/bin/busybox", "--install", "-s", "/bin"]',
    'ENV FROM_IMAGE="of the image"',
    STOP,
    'VOLUME /data',
    'WORKDIR /home',
    'ENTRYPOINT ["/bin/echo", "entrypoint"]',
    'CMD ["cmd"]',
  ]);
  return { runtime, job };
}

async function build(docker: Docker, tag: string, lines: readonly string[]): Promise<void> {
  const context = tarArchive([
    { name: 'Dockerfile', bytes: Buffer.from(lines.join('\n')) },
    { name: 'sidecar', bytes: Buffer.from(SIDECAR) },
  ]);
  const log = await text(await docker.buildImage(Readable.from([context]), { t: tag, rm: true }));
  if (log.includes('"error"')) throw new Error(`cannot build ${tag}: ${log}`);
}

/** Labels for what a test makes beside the runtime, so that the leak check knows whose it is. */
export function testLabels(node: string): Record<string, string> {
  return { [LABEL.managed]: 'true', [LABEL.node]: node };
}
