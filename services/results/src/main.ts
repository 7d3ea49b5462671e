import { type ResultsConfig, resultsConfig, runMain } from '@cronium/config';
import { type Lifecycle, runService } from '@cronium/lifecycle';
import { createLogger, type Logger, startTelemetry } from '@cronium/telemetry';
import manifest from '../package.json' with { type: 'json' };
import { createApp } from './app.ts';
import { runBackground } from './background.ts';
import { openDatabase } from './db/database.ts';
import { connectValkey } from './queue/valkey.ts';
import { serve } from './serve.ts';
import { wire } from './wire.ts';

async function start(
  config: ResultsConfig,
  { lifecycle, log }: { lifecycle: Lifecycle; log: Logger },
): Promise<void> {
  const telemetry = await startTelemetry({
    service: 'cronium-results',
    version: manifest.version,
    endpoint: config.OTEL_EXPORTER_OTLP_ENDPOINT,
    tracesEndpoint: config.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
  });
  lifecycle.own('telemetry', () => telemetry.stop());

  const db = openDatabase({
    url: config.CRONIUM_DATABASE_URL,
    connections: config.CRONIUM_DATABASE_CONNECTIONS,
    onError: (error) => log.warn({ err: error }, 'an idle connection to PostgreSQL broke'),
  });
  lifecycle.own('database', () => db.destroy());

  const valkey = connectValkey(config.CRONIUM_VALKEY_URL, log);
  lifecycle.own('valkey', () => valkey.disconnect());

  const deps = wire(config, { db, valkey, log, signal: lifecycle.signal });
  lifecycle.own('queues', () => deps.queues.close());

  const background = deps.schema
    .migrate(config.CRONIUM_DATABASE_URL, deps)
    .then(() =>
      runBackground(deps, {
        databaseUrl: config.CRONIUM_DATABASE_URL,
        forgottenAfterMs: config.CRONIUM_FORGOTTEN_SECONDS * 1000,
        retentionDays: config.CRONIUM_RETENTION_DAYS,
        auditRetentionDays: config.CRONIUM_AUDIT_RETENTION_DAYS,
      }),
    )
    .catch((error) => lifecycle.fail(error));
  lifecycle.own('background work', () => background);

  const server = await serve(createApp(deps), { host: config.CRONIUM_HOST, port: config.CRONIUM_PORT });
  lifecycle.own('http server', () =>
    server.drain({ patienceMs: config.CRONIUM_SHUTDOWN_SECONDS * 1000 * 0.6 }),
  );
  log.info({ host: config.CRONIUM_HOST, port: server.port }, 'listening');
}

await runMain({
  name: 'cronium-results',
  summary: 'stores and serves outcomes, logs and traces.',
  config: resultsConfig,
  main: async (config) => {
    const log = createLogger({ service: 'results', level: config.CRONIUM_LOG_LEVEL });
    const shutdownMs = config.CRONIUM_SHUTDOWN_SECONDS * 1000;
    await runService((lifecycle) => start(config, { lifecycle, log }), { log, shutdownMs });
  },
});
