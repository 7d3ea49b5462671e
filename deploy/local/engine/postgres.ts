import type { BootstrapContext } from './context.ts';
import type { LocalService } from './service.ts';

export interface PostgresOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** Folder for data, password and log. Default: `.cronium/data/postgres`. */
  readonly dir?: string;
}
export declare function ensurePostgres(context: BootstrapContext, options?: PostgresOptions): Promise<LocalService>;
