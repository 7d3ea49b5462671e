import { join } from 'node:path';
import { RUN_VARIABLE, testDocker, testEnvironment, testNodeName } from '@cronium/testing';
import { bootstrapContext, IMAGE_TAGS } from '../../local/bootstrap.ts';
import { unpackPackages } from '../../local/engine/apt.ts';
import { contextFiles } from '../../local/images/build-context.ts';
import { buildImage } from '../../local/images/docker-build.ts';

/** The first Debian release that has the SDK. Its packages for Python are plain modules, which any Python 3 can load. */
const RELEASE = 'sid';
const PACKAGES = ['python3-opentelemetry-sdk', 'python3-opentelemetry-exporter-otlp-proto-http'];
/** Python itself, and what is compiled for it, stay away: all of these can do without. */
const PLAIN = /^python3-(opentelemetry|protobuf|googleapis|requests|urllib3|idna|certifi|chardet|typing)/;
const MODULES = 'usr/lib/python3/dist-packages';

const DOCKERFILE = `ARG BASE_IMAGE
FROM \${BASE_IMAGE}
USER 0
COPY ${MODULES}/ /opt/opentelemetry/
RUN echo /opt/opentelemetry > "$(python3 -c 'import site; print(site.getsitepackages()[0])')/opentelemetry.pth" \\
    && python3 -m compileall -q /opt/opentelemetry
USER 1000:1000
`;

/** An image like the fleet's for Python, with OpenTelemetry's SDK installed as it comes. Disposing removes it. */
export async function pythonWithOpenTelemetry(): Promise<AsyncDisposable & { readonly tag: string }> {
  const { dockerHost, runId } = testEnvironment();
  const env = { PATH: process.env.PATH, [RUN_VARIABLE]: runId };
  const context = bootstrapContext({ env, report: () => undefined });
  const folder = await unpackPackages(context, {
    name: 'python-opentelemetry',
    packages: PACKAGES,
    reason: 'For a test',
    release: RELEASE,
    keeps: (name) => PLAIN.test(name),
  });
  const docker = testDocker(dockerHost);
  const tag = `cronium/python-opentelemetry:${testNodeName()}`;
  await buildImage(docker, {
    tag,
    dockerfile: 'Dockerfile',
    files: [
      { name: 'Dockerfile', mode: 0o644, content: Buffer.from(DOCKERFILE) },
      ...contextFiles(folder, [MODULES]),
    ],
    arguments: { BASE_IMAGE: IMAGE_TAGS.jobPython },
    source: join(RELEASE, ...PACKAGES),
    network: false,
  });
  return { tag, [Symbol.asyncDispose]: async () => void (await docker.getImage(tag).remove()) };
}
