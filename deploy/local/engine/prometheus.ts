import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unpackPackages } from './apt.ts';
import type { BootstrapContext } from './context.ts';
import { freePort } from './ports.ts';
import { findCommand } from './run.ts';
import { type LocalService, ProcessService } from './service.ts';

/** Prometheus' server and its tool for rules. */
export interface PrometheusPrograms {
  readonly prometheus: string;
  readonly promtool: string;
}

/** Finds Prometheus on PATH, or unpacks Debian's package. */
export async function ensurePrometheus(context: BootstrapContext): Promise<PrometheusPrograms> {
  const onPath = ['prometheus', 'promtool'].map((name) => findCommand(name, context.env.PATH));
  const [prometheus, promtool] = onPath;
  if (prometheus !== undefined && promtool !== undefined) return { prometheus, promtool };
  const folder = await unpackPackages(context, {
    name: 'prometheus',
    packages: ['prometheus'],
    reason: 'No prometheus on PATH',
    // Both programs stand alone; what else comes are pages for a browser and scripts for a service manager.
    keeps: (name) => name === 'prometheus',
  });
  return { prometheus: join(folder, 'usr/bin/prometheus'), promtool: join(folder, 'usr/bin/promtool') };
}

/** Starts Prometheus with a configuration, on a free port of 127.0.0.1. */
export async function startPrometheus(
  context: BootstrapContext,
  options: { readonly programs: PrometheusPrograms; readonly dir: string; readonly configuration: string },
): Promise<LocalService> {
  const { dir, programs, configuration } = options;
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'prometheus.yml'), configuration);
  const address = `127.0.0.1:${await freePort()}`;
  const url = `http://${address}`;
  return new ProcessService(context, {
    name: 'Prometheus',
    url,
    origin: 'debian',
    dir,
    command: [
      programs.prometheus,
      `--config.file=${join(dir, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(dir, 'data')}`,
      `--web.listen-address=${address}`,
    ],
    env: { ...context.env } as NodeJS.ProcessEnv,
    stopSignal: 'SIGTERM',
    ready: async () => (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok === true,
  });
}
