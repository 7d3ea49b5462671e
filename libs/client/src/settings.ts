import type { VariableView } from '@cronium/contracts';
import type { CallOptions } from './client.ts';
import { type Query, queryOf } from './query.ts';
import type { Call, Transport } from './transport.ts';

/** A secret or a credential, as far as it is shown. */
export interface SealedView {
  readonly name: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** An API key, as far as it is shown. */
export interface ApiKeyView {
  readonly name: string;
  readonly role: 'admin' | 'submitter' | 'reader';
  readonly createdAt: string;
}

/** A new API key; `key` is shown this once. */
export interface NewApiKey {
  readonly name: string;
  readonly role: ApiKeyView['role'];
  readonly key: string;
}

/** What a tenant stores: variables, secrets, API keys. */
export class SettingsClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** A page of variables by key. */
  async variables(
    page: { prefix?: string; after?: string; limit?: number } = {},
    options: CallOptions = {},
  ): Promise<VariableView[]> {
    const { variables } = await this.#get<{ variables: VariableView[] }>('/v1/variables', page, options);
    return variables;
  }

  /** @throws CroniumApiError 409 when the variable is no longer at `ifVersion` */
  putVariable(
    key: string,
    body: { value: VariableView['value']; ifVersion?: number },
  ): Promise<VariableView> {
    return this.#send('PUT', `/v1/variables/${encodeURIComponent(key)}`, body);
  }

  deleteVariable(key: string): Promise<void> {
    return this.#done('DELETE', `/v1/variables/${encodeURIComponent(key)}`);
  }

  async secrets(options: CallOptions = {}): Promise<SealedView[]> {
    return (await this.#get<{ secrets: SealedView[] }>('/v1/secrets', {}, options)).secrets;
  }

  /** A stored secret is never read back. */
  putSecret(name: string, value: string): Promise<void> {
    return this.#done('PUT', `/v1/secrets/${encodeURIComponent(name)}`, { value });
  }

  deleteSecret(name: string): Promise<void> {
    return this.#done('DELETE', `/v1/secrets/${encodeURIComponent(name)}`);
  }

  async apiKeys(options: CallOptions = {}): Promise<ApiKeyView[]> {
    return (await this.#get<{ apiKeys: ApiKeyView[] }>('/v1/api-keys', {}, options)).apiKeys;
  }

  createApiKey(body: { name: string; role: ApiKeyView['role'] }): Promise<NewApiKey> {
    return this.#send('POST', '/v1/api-keys', body);
  }

  deleteApiKey(name: string): Promise<void> {
    return this.#done('DELETE', `/v1/api-keys/${encodeURIComponent(name)}`);
  }

  #get<T>(path: string, query: Query, { signal }: CallOptions): Promise<T> {
    const at = `${path}${queryOf(query)}`;
    return this.#transport.json({ service: 'results', method: 'GET', path: at, repeatable: true, signal });
  }

  #send<T>(method: Call['method'], path: string, body: unknown): Promise<T> {
    return this.#transport.json(call(method, path, body));
  }

  async #done(method: Call['method'], path: string, body?: unknown): Promise<void> {
    await (await this.#transport.stream(call(method, path, body))).cancel();
  }
}

function call(method: Call['method'], path: string, body: unknown): Call {
  const base = { service: 'results', method, path, repeatable: method !== 'POST' } as const;
  if (body === undefined) return base;
  return { ...base, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}
