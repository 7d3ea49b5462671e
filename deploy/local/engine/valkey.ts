import type { BootstrapContext } from './context.ts';
import type { LocalService } from './service.ts';

export interface ValkeyOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** Addresses to listen on. Default: 127.0.0.1 alone. One that the host lacks is skipped. */
  readonly listen?: readonly string[];
  /** Folder for data, password and log. Default: `.cronium/data/valkey`. */
  readonly dir?: string;
  /** Where a container may be started when there is no binary. */
  readonly dockerHost?: string;
}
export declare function ensureValkey(context: BootstrapContext, options?: ValkeyOptions): Promise<LocalService>;
