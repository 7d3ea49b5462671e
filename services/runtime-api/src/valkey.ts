import { connect, type Socket } from 'node:net';

const LONGEST_LINE = 64 * 1024;

/** Thrown when Valkey can't be reached, doesn't answer in time, or refuses a command. */
export class ValkeyError extends Error {
  override readonly name = 'ValkeyError';
  readonly code = 'VALKEY';
}

interface Pending {
  resolve(reply: string): void;
  reject(error: ValkeyError): void;
}

/**
 * Sends Valkey commands whose replies are one line: a status or a number (RESP2, https://valkey.io/topics/protocol/). A
 * general client costs every sidecar 10 MB and a quarter of its start for the two commands that it needs.
 *
 * Commands may be called concurrently; they are pipelined. After a failure the next command connects anew.
 */
export class ValkeyClient {
  readonly #url: URL;
  readonly #timeoutMs: number;
  #socket: Socket | undefined;
  #pending: Pending[] = [];
  #unread = '';

  /** @param url `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS */
  constructor(url: string, { timeoutMs }: { timeoutMs: number }) {
    this.#url = new URL(url);
    this.#timeoutMs = timeoutMs;
  }

  /**
   * @returns the reply's line without its type: `PONG`, `1`
   * @throws ValkeyError
   */
  async command(...words: readonly string[]): Promise<string> {
    if (this.#socket === undefined) this.#connect();
    return this.#send(words);
  }

  close(): void {
    this.#fail(new ValkeyError('closed'));
  }

  #connect(): void {
    const { protocol, hostname, port, username, password, pathname } = this.#url;
    const address = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 6379) };
    // TLS is loaded by those who use it alone: it costs 2 MB.
    const socket =
      protocol === 'rediss:' ? process.getBuiltinModule('node:tls').connect(address) : connect(address);
    this.#socket = socket;
    socket.setNoDelay().setEncoding('latin1');
    socket.on('data', (text: string) => this.#read(text));
    socket.once('error', (cause) => this.#fail(new ValkeyError(cause.message, { cause }), socket));
    socket.once('close', () => this.#fail(new ValkeyError('the connection was closed'), socket));
    const first = (words: string[]) => void this.#send(words).catch((error) => this.#fail(error, socket));
    if (password !== '') first(['AUTH', ...[username, password].filter(Boolean).map(decodeURIComponent)]);
    if (pathname.length > 1) first(['SELECT', pathname.slice(1)]);
  }

  #send(words: readonly string[]): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const socket = this.#socket;
    const late = () => this.#fail(new ValkeyError(`no answer in ${this.#timeoutMs} ms`), socket);
    const timer = setTimeout(late, this.#timeoutMs);
    this.#pending.push({ resolve, reject });
    const bulk = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
    socket?.write(`*${words.length}\r\n${bulk.join('')}`);
    return promise.finally(() => clearTimeout(timer));
  }

  #read(text: string): void {
    const lines = `${this.#unread}${text}`.split('\r\n');
    this.#unread = lines.pop() ?? '';
    for (const line of lines) this.#settle(line);
    if (this.#unread.length > LONGEST_LINE) this.#fail(new ValkeyError('an answer without an end'));
  }

  #settle(line: string): void {
    const pending = this.#pending.shift();
    const content = line.slice(1);
    if (line.startsWith('-')) pending?.reject(new ValkeyError(content));
    else if (pending !== undefined && /^[+:]/.test(line)) pending.resolve(content);
    else {
      const error = new ValkeyError('an answer that does not belong to its command');
      pending?.reject(error);
      this.#fail(error);
    }
  }

  /** Drops the connection and fails what waits on it. A connection that was replaced meanwhile is not touched. */
  #fail(error: ValkeyError, of = this.#socket): void {
    if (of !== this.#socket) return;
    const pending = this.#pending;
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#pending = [];
    this.#unread = '';
    for (const { reject } of pending) reject(error);
  }
}
