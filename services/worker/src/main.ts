import { rmSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runMain, type WorkerConfig, workerConfig } from '@cronium/config';
import { listen } from '@cronium/http';
import { type Lifecycle, runService } from '@cronium/lifecycle';
import { createLogger, createMetrics, type Logger, startTelemetry } from '@cronium/telemetry';
import manifest from '../package.json' with { type: 'json' };
import { createApp } from './app.ts';
import { Journal } from './journal/journal.ts';
import { ensureStateDir, loadNodeKey } from './journal/state-dir.ts';
import { connect } from './node/connections.ts';
import { countDockerCalls } from './node/metrics.ts';
import { readinessOf } from './node/readiness.ts';
import { dockerSettings, nodeSettings } from './node/settings.ts';
import { valkeyLink } from './node/valkey-link.ts';
import { WorkerNode } from './node/worker-node.ts';
import { nodeTokens } from './report/node-token.ts';
import { httpResults } from './report/results-client.ts';
import { createDockerRuntime } from './sandbox/docker-runtime.ts';
import { maskKeyOf } from './sandbox/masked-values.ts';

const { version } = manifest;

/**
 * The heap grows by so much between two full collections. By itself V8 lets it grow to several times what is in use; with
 * half of this it collects twice as often under load. A quiet process gives back what it does not need in any case.
 */
const HEAP_GROWTH_PERCENT = 40;

async function start(
  config: WorkerConfig,
  { lifecycle, log }: { lifecycle: Lifecycle; log: Logger },
): Promise<void> {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH_PERCENT}`);
  const settings = nodeSettings(config, version);
  const telemetry = await startTelemetry({
    service: 'cronium-worker',
    version,
    node: settings.node,
    endpoint: config.OTEL_EXPORTER_OTLP_ENDPOINT,
    tracesEndpoint: config.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
  });
  lifecycle.own('telemetry', () => telemetry.stop());

  ensureStateDir(config.CRONIUM_STATE_DIR);
  const journal = new Journal(config.CRONIUM_STATE_DIR);
  lifecycle.own('journal', () => journal.close());
  // Tails of logs of a former process: they are read from Docker again.
  rmSync(settings.limits.spoolFolder, { recursive: true, force: true });
  const nodeKey = await loadNodeKey(config.CRONIUM_STATE_DIR);

  const connections = connect(config.CRONIUM_VALKEY_URL, settings.node, (error) =>
    log.debug({ err: error }, 'the connection to Valkey has an error'),
  );
  lifecycle.own('valkey', () => connections.close());

  const registry = createMetrics('worker', { node: settings.node });
  const onCall = countDockerCalls(registry);
  const runtime = createDockerRuntime({
    ...dockerSettings(config),
    nodeKey,
    maskKey: maskKeyOf(nodeKey),
    logger: log,
    onCall,
  });
  lifecycle.own('docker', () => runtime.close());

  const token = nodeTokens(nodeKey, settings.node);
  const results = httpResults({ url: config.CRONIUM_RESULTS_URL, token });
  const link = valkeyLink({
    connections,
    settings,
    onQueueError: (error, queue) => log.debug({ err: error, queue }, 'a queue’s connection has an error'),
  });
  const parts = { settings, link, runtime, results, journal, nodeKey, log };
  const node = new WorkerNode({ ...parts, registry, stateDir: config.CRONIUM_STATE_DIR });
  const app = createApp({
    version,
    metrics: node.metrics.registry,
    readiness: () => readinessOf(node, results),
  });
  const server = await listen(app, { host: config.CRONIUM_HOST, port: config.CRONIUM_PORT });
  lifecycle.own('http server', () => server.drain({ patienceMs: 0 }));

  node.start();
  lifecycle.own('node', () => node.stop());
  log.info(
    { host: config.CRONIUM_HOST, port: server.port, slots: settings.slots, pools: settings.pools },
    'listening',
  );
}

await runMain({
  name: 'cronium-worker',
  summary: 'takes jobs from the queue and runs them in containers on this host.',
  config: workerConfig,
  main: async (config) => {
    const log = createLogger({
      service: 'worker',
      node: config.CRONIUM_NODE,
      level: config.CRONIUM_LOG_LEVEL,
    });
    const shutdownMs = config.CRONIUM_SHUTDOWN_SECONDS * 1000;
    await runService((lifecycle) => start(config, { lifecycle, log }), { log, shutdownMs });
  },
});
