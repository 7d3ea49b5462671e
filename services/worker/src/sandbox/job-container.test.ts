import { type JobInput, jobSpec } from '@cronium/contracts';
import { describe, expect, test } from 'vitest';
import type { ImageFacts } from './images.ts';
import { jobContainerOptions } from './job-container.ts';
import { jobProgram } from './job-program.ts';
import type { SandboxRequest } from './runtime.ts';
import { egressPolicy } from './slot/sidecar.ts';

const IMAGE: ImageFacts = {
  reference: 'tool:1',
  id: 'sha256:aa',
  env: ['PATH=/opt/bin', 'A=image', 'B=image', 'EMPTY'],
  entrypoint: ['/entry'],
  cmd: ['one', 'two'],
  workingDir: '/srv',
  volumes: ['/var/data'],
};
const SCRIPT: JobInput = { type: 'script', script: { language: 'bash', source: 'echo $A' } };

function request(input: JobInput): SandboxRequest {
  const spec = jobSpec.parse(input);
  const times = { receivedAt: 0, acceptedAt: 0, attemptBase: 0, postponed: 0 };
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  return {
    jobId: 'job_AAAAAAAAAAAA',
    attempt: 1,
    attemptId: 'job_AAAAAAAAAAAA.1',
    spec,
    payload: { v: 1, spec, tenant: 't', traceId, ...times },
    executionToken: 'the-token',
    secrets: {},
  };
}

const program = (input: JobInput, image = IMAGE) => jobProgram(request(input), image, 'n');
const container = (input: JobInput) =>
  jobContainerOptions({
    request: request(input),
    image: IMAGE,
    labels: { a: 'b' },
    holderId: 'holder',
    toolkitVolume: 'toolkit',
    logMaxBytes: 256 * 2 ** 20,
  });

describe('what a job runs', () => {
  test.each<[string, JobInput, readonly string[]]>([
    ['bash', SCRIPT, ['bash', '/.cronium-run/main.sh']],
    [
      'python',
      { type: 'script', script: { language: 'python', source: '1' } },
      ['python3', '/.cronium-run/main.py'],
    ],
    [
      'node',
      { type: 'script', script: { language: 'node', source: '1' } },
      ['node', '--require', '/.cronium-run/require.cjs', '/.cronium-run/main.js'],
    ],
    [
      'http',
      { type: 'http', http: { url: 'https://a.example' } },
      ['node', '/usr/local/lib/cronium/http-job.mjs'],
    ],
    [
      'tool',
      { type: 'tool', tool: { tool: 'slack', action: 'send' } },
      ['node', '/usr/local/lib/cronium/tool-job.mjs'],
    ],
    ["an image's own command", { type: 'container', image: 'tool:1' }, ['/entry', 'one', 'two']],
    ['args', { type: 'container', image: 'tool:1', args: ['x'] }, ['/entry', 'x']],
    ['no args', { type: 'container', image: 'tool:1', args: [] }, ['/entry']],
    ['a command', { type: 'container', image: 'tool:1', command: ['c'] }, ['c']],
    ['both', { type: 'container', image: 'tool:1', command: ['c'], args: ['x'] }, ['c', 'x']],
  ])('%s', (_name, input, main) => {
    expect(program(input).main).toEqual(main);
  });

  test('setup and preTask come first, in the language of the script', () => {
    const script = { language: 'python', source: 'm', setup: 's', preTask: 'p' } as const;
    const { phases, files } = program({ type: 'script', script });
    expect(phases).toEqual([
      { phase: 'setup', argv: ['python3', '/.cronium-run/setup.py'] },
      { phase: 'preTask', argv: ['python3', '/.cronium-run/preTask.py'] },
    ]);
    expect(files.map(({ name }) => name)).toEqual(['setup.py', 'preTask.py', 'main.py']);
  });

  test('an image without a command is the fault of the job', () => {
    const bare = { ...IMAGE, entrypoint: [], cmd: [] };
    expect(() => program({ type: 'container', image: 'tool:1' }, bare)).toThrow(
      expect.objectContaining({ code: 'image' }),
    );
  });

  test('a request too long for a variable travels as a file', () => {
    const body = 'x'.repeat(200_000);
    const { env, files } = program({ type: 'http', http: { url: 'https://a.example', body } });
    expect(env.CRONIUM_HTTP_REQUEST).toBeUndefined();
    expect(env.CRONIUM_HTTP_REQUEST_FILE).toBe('/.cronium-run/request.json');
    expect(files.map(({ name }) => name)).toEqual(['request.json']);
  });
});

describe("a job's environment", () => {
  test("is the image's, then the fleet's defaults, the spec's, and what nobody may change", () => {
    expect(program({ ...SCRIPT, env: { A: 'spec', PATH: '/mine', HOME: '/tmp' } }).env).toEqual({
      PATH: '/mine',
      A: 'spec',
      B: 'image',
      EMPTY: '',
      HOME: '/tmp',
      HOSTNAME: 'job',
      TRACEPARENT: expect.stringMatching(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/),
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://runtime-api:8081/otlp',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
      OTEL_METRICS_EXPORTER: 'none',
      OTEL_SERVICE_NAME: 'job',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20the-token',
      CRONIUM_JOB_ID: 'job_AAAAAAAAAAAA',
      CRONIUM_JOB_TYPE: 'script',
      CRONIUM_EXECUTION_MODE: 'container',
      CRONIUM_EXECUTION_ID: 'job_AAAAAAAAAAAA.1',
      CRONIUM_EXECUTION_TOKEN: 'the-token',
      CRONIUM_RUNTIME_API: 'http://runtime-api:8081',
    });
  });

  test('names the proxy only for a job that may go out', () => {
    expect(program(SCRIPT).env.HTTPS_PROXY).toBeUndefined();
    expect(program({ ...SCRIPT, egress: 'internet' }).env.HTTPS_PROXY).toBe('http://runtime-api:8082');
    expect(program({ type: 'http', http: { url: 'https://a.example' } }).env.HTTPS_PROXY).toBe(
      'http://runtime-api:8082',
    );
  });
});

describe('the container', () => {
  test('is confined and holds nothing of the job', () => {
    const options = container({ ...SCRIPT, resources: { cpus: 0.5, memoryMiB: 64, pids: 20, diskMiB: 10 } });
    expect(options).toMatchObject({
      Image: 'sha256:aa',
      User: '1000:1000',
      WorkingDir: '/workspace',
      Healthcheck: { Test: ['NONE'] },
      OpenStdin: true,
      StdinOnce: true,
      HostConfig: {
        NetworkMode: 'container:holder',
        ReadonlyRootfs: true,
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges'],
        CpuPeriod: 100_000,
        CpuQuota: 50_000,
        Memory: 64 * 2 ** 20,
        MemorySwap: 64 * 2 ** 20,
        PidsLimit: 20,
        ShmSize: 10 * 2 ** 20,
        LogConfig: {
          Type: 'local',
          Config: { 'max-size': `${64 * 2 ** 20}b`, 'max-file': '5', compress: 'false' },
        },
      },
    });
    expect(Object.keys(options.HostConfig?.Tmpfs ?? {}).toSorted()).toEqual([
      '/.cronium-run',
      '/tmp',
      '/var/data',
      '/workspace',
    ]);
    expect(options.Env).toEqual(['TINI_VERBOSITY=2']);
    expect(JSON.stringify(options)).not.toMatch(/the-token|echo/);
  });

  test("keeps the image's working folder for a container job", () => {
    expect(container({ type: 'container', image: 'tool:1' }).WorkingDir).toBe('/srv');
  });
});

describe('egress', () => {
  test.each<[JobInput, object]>([
    [SCRIPT, { mode: 'none', allow: [] }],
    [
      { ...SCRIPT, egress: 'internet' },
      { mode: 'internet', allow: [] },
    ],
    [
      { ...SCRIPT, egress: { allow: ['a.example:443'] } },
      { mode: 'allow', allow: ['a.example:443'] },
    ],
    [
      { type: 'http', http: { url: 'https://a.example/x' } },
      { mode: 'allow', allow: ['a.example:443'] },
    ],
    [
      { type: 'http', http: { url: 'http://a.example:8080' } },
      { mode: 'allow', allow: ['a.example:8080'] },
    ],
  ])('%j', (input, policy) => {
    expect(egressPolicy(request(input), ['10.1.0.0/16'])).toEqual({
      ...policy,
      allowPrivate: ['10.1.0.0/16'],
    });
  });
});
