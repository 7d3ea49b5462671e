import type { z } from 'zod';

/** One endpoint, for the API's description. */
export interface Endpoint {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  readonly path: string;
  readonly summary: string;
  readonly query?: z.ZodType;
  readonly body?: { readonly type: string; readonly schema?: z.ZodType };
  readonly answer?: { readonly status?: number; readonly type?: string; readonly schema?: z.ZodType };
  /** Who may call it. */
  readonly auth: 'open' | 'key' | 'node' | 'execution';
}

export const json = (schema: z.ZodType, status = 200) => ({ status, schema });
export const jsonBody = (schema: z.ZodType) => ({ type: 'application/json', schema });
