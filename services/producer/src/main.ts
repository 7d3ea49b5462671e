import { setFlagsFromString } from 'node:v8';
import { type ProducerConfig, producerConfig, runMain } from '@cronium/config';
import { listen } from '@cronium/http';
import { type Lifecycle, runService } from '@cronium/lifecycle';
import { createLogger, type Logger, startTelemetry } from '@cronium/telemetry';
import manifest from '../package.json' with { type: 'json' };
import { createApp } from './app.ts';
import { problems } from './problems.ts';
import { ValkeyLink } from './valkey/link.ts';

const { version } = manifest;

/**
 * The heap grows by so much between two full collections. By itself V8 lets it grow to four times what is in use where the
 * machine has memory; what passes through here lives for a moment, and would fill that.
 */
const HEAP_GROWTH_PERCENT = 60;

async function start(
  config: ProducerConfig,
  { lifecycle, log }: { lifecycle: Lifecycle; log: Logger },
): Promise<void> {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH_PERCENT}`);
  const telemetry = await startTelemetry({
    service: 'cronium-producer',
    version,
    endpoint: config.OTEL_EXPORTER_OTLP_ENDPOINT,
    tracesEndpoint: config.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
  });
  lifecycle.own('telemetry', () => telemetry.stop());

  const link = new ValkeyLink({ url: config.CRONIUM_VALKEY_URL, log });
  lifecycle.own('valkey', () => link.close());
  await link.start(lifecycle);

  const uploads = new AbortController();
  const { app, scheduler, close } = createApp({
    valkey: link.valkey,
    prefix: config.CRONIUM_PREFIX,
    apiKeys: config.CRONIUM_API_KEYS,
    resultsUrl: config.CRONIUM_RESULTS_URL,
    log,
    version,
    stopping: uploads.signal,
    notReady: () => link.notReady(),
    replicas: config.CRONIUM_VALKEY_REPLICAS,
    limits: { jobBytes: config.CRONIUM_MAX_JOB_BYTES, maxQueued: config.CRONIUM_MAX_QUEUED },
  });
  lifecycle.own('queues', close);
  const scheduling = scheduler.run(lifecycle.signal);
  lifecycle.own('schedules', () => scheduling);

  const server = await listen(app, { host: config.CRONIUM_HOST, port: config.CRONIUM_PORT });
  const shutdownMs = config.CRONIUM_SHUTDOWN_SECONDS * 1000;
  lifecycle.own('http server', () =>
    server.drain({
      patienceMs: shutdownMs * 0.5,
      hurry: () => uploads.abort(problems.stopping()),
      graceMs: shutdownMs * 0.15,
    }),
  );
  log.info({ host: config.CRONIUM_HOST, port: server.port }, 'listening');
}

await runMain({
  name: 'cronium-producer',
  summary: 'accepts jobs and puts them into the queue.',
  config: producerConfig,
  main: async (config) => {
    const log = createLogger({ service: 'producer', level: config.CRONIUM_LOG_LEVEL });
    const shutdownMs = config.CRONIUM_SHUTDOWN_SECONDS * 1000;
    await runService((lifecycle) => start(config, { lifecycle, log }), { log, shutdownMs });
  },
});
