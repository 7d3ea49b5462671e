import { randomBytes, randomInt } from 'node:crypto';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { buffer } from 'node:stream/consumers';
import {
  createNodeKey,
  EGRESS_PORT,
  type EgressPolicy,
  type ExecutionClaims,
  type NodeKey,
  RUNTIME_PORT,
  type ServiceRoute,
  type SidecarReply,
  signExecutionToken,
} from '@cronium/contracts';
import { dropKeys, testEnvironment, testPrefix } from '@cronium/testing';
import type { Limits } from '../app.ts';
import { Sidecar } from '../sidecar.ts';
import { ScriptedResults } from './scripted-results.ts';

export const JOB = 'job_abcdefghijkl';
export const ATTEMPT = `${JOB}.2`;
export const INPUT = {
  zero: 0,
  no: false,
  empty: '',
  nothing: null,
  nested: { list: [1, '2', { three: 3 }] },
};
export const CONTEXT = {
  executionId: ATTEMPT,
  jobId: JOB,
  attempt: 2,
  name: 'naïve 🚀',
  labels: { team: 'x' },
};

/** What a request through the sidecar was answered. */
export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  json(): unknown;
}

export interface Request {
  readonly method?: string;
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: the bound attempt's; empty for none. */
  readonly token?: string;
}

interface FixtureOptions {
  readonly valkeyUrl?: string;
  readonly limits?: Partial<Limits>;
  readonly addresses?: () => readonly string[];
}

/** A sidecar in this process, on a loopback address of its own, between real Valkey and a scripted results service. */
export class Fixture implements AsyncDisposable {
  readonly prefix = testPrefix();
  /** Every test has its own address, so that all can use the sidecar's own ports. */
  readonly address = `127.${randomInt(1, 255)}.${randomInt(0, 255)}.${randomInt(2, 255)}`;
  readonly results = new ScriptedResults();
  readonly sidecar: Sidecar;
  readonly log: unknown[] = [];
  readonly #valkeyUrl: string;
  #key: NodeKey | undefined;
  #token = '';

  constructor({ valkeyUrl, limits, addresses }: FixtureOptions = {}) {
    this.#valkeyUrl = valkeyUrl ?? testEnvironment().valkeyUrl;
    this.sidecar = new Sidecar({
      log: (entry) => this.log.push(entry),
      limits: { patienceMs: 5000, ...limits },
      ...(addresses && { addresses }),
    });
  }

  get key(): NodeKey {
    if (this.#key === undefined) throw new Error('start() comes first');
    return this.#key;
  }

  get token(): string {
    return this.#token;
  }

  /** Configures the sidecar. */
  async start(): Promise<SidecarReply> {
    this.#key = await createNodeKey();
    this.#token = await this.sign();
    await this.results.start();
    return this.sidecar.carryOut({
      type: 'configure',
      address: this.address,
      prefix: this.prefix,
      valkeyUrl: this.#valkeyUrl,
      resultsUrl: this.results.url,
      jwks: [this.key.publicJwk],
    });
  }

  bind(
    egress: Partial<EgressPolicy> = {},
    more: { readonly secretValues?: Record<string, string>; readonly services?: ServiceRoute[] } = {},
  ): Promise<SidecarReply> {
    return this.sidecar.carryOut({
      type: 'bind',
      attemptId: ATTEMPT,
      jobId: JOB,
      input: INPUT,
      context: CONTEXT,
      secrets: ['TOKEN'],
      egress: { mode: 'none', allow: [], allowPrivate: [], ...egress },
      ...more,
    });
  }

  sign(claims: Partial<ExecutionClaims> = {}): Promise<string> {
    return signExecutionToken(this.key, { ...claimsOf(ATTEMPT), ...claims });
  }

  /** Over a connection of its own. The path is sent as it is. */
  async call(
    path: string,
    { method = 'GET', body, headers = {}, token = this.#token }: Request = {},
  ): Promise<Answered> {
    const { promise, resolve, reject } = Promise.withResolvers<Answered>();
    const authorization = token === '' ? {} : { authorization: `Bearer ${token}` };
    const request = httpRequest({
      host: this.address,
      port: RUNTIME_PORT,
      method,
      path,
      headers: { ...authorization, ...headers },
      agent: false,
    });
    request.once('error', reject);
    request.once('response', async (response) => {
      const text = (await buffer(response)).toString();
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        text,
        json: () => JSON.parse(text),
      });
    });
    request.end(body);
    return promise;
  }

  /** Below the bound execution. */
  execution(path: string, request?: Request): Promise<Answered> {
    return this.call(`/executions/${ATTEMPT}${path}`, request);
  }

  get proxy(): { host: string; port: number } {
    return { host: this.address, port: EGRESS_PORT };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sidecar.close();
    await this.results.stop().catch(() => undefined);
    await dropKeys(this.prefix);
  }
}

/** A started sidecar that an attempt is bound to. */
export async function boundSidecar(options?: ConstructorParameters<typeof Fixture>[0]): Promise<Fixture> {
  const fixture = new Fixture(options);
  await fixture.start();
  await fixture.bind();
  return fixture;
}

/** Good claims of an attempt. */
export function claimsOf(attemptId: string): ExecutionClaims {
  const [jobId = '', attempt] = attemptId.split('.');
  const now = Math.floor(Date.now() / 1000);
  return {
    iss: 'node-1',
    aud: ['runtime-api', 'results'],
    sub: attemptId,
    executionId: attemptId,
    jobId,
    attempt: Number(attempt),
    tenant: 'default',
    jti: randomBytes(16).toString('hex'),
    iat: now,
    exp: now + 600,
  };
}
