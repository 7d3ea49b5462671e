import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Receives one line at a time, written for the person who started the command. */
export type Report = (line: string) => void;

/** What every bootstrap function needs to know; made once per process and handed down. */
export interface BootstrapContext {
  /** The environment as the process found it: `CRONIUM_*_URL`, `DOCKER_HOST`, `CRONIUM_BASE_IMAGE_*`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly report: Report;
  /** The checkout's root folder. */
  readonly root: string;
  /** Where everything that is fetched, unpacked or stored locally lives: `.cronium` in the root. */
  readonly home: string;
}

/** Makes the context; `home` may be put elsewhere, which tests of the bootstrap itself do. */
export function bootstrapContext(options: {
  env: Readonly<Record<string, string | undefined>>;
  report: Report;
  home?: string;
}): BootstrapContext {
  const root = resolve(import.meta.dirname, '../../..');
  const home = resolve(options.home ?? join(root, '.cronium'));
  mkdirSync(home, { recursive: true });
  return { env: options.env, report: options.report, root, home };
}
