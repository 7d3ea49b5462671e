import type { Duplex } from 'node:stream';
import { type SidecarCommand, type SidecarReply, sidecarReply } from '@cronium/contracts';
import { FrameDecoder } from '../log/frames.ts';
import { SandboxError } from '../runtime.ts';
import { type SidecarWarning, SidecarWarnings } from './sidecar-warnings.ts';

const STDERR_TAIL = 2000;
const MAX_REPLY = 64 * 1024;

/**
 * The line to a sidecar, over its attached streams: one JSON line to it, one JSON line back. One question at a
 * time: the next one waits. It is kept open for as long as the sidecar is used.
 */
export class SidecarLine {
  readonly #socket: Duplex;
  readonly #name: string;
  readonly #decoder = new FrameDecoder();
  #stdout = '';
  #stderr = '';
  #lines: string[] = [];
  #ended = false;
  #wake: () => void = () => undefined;
  readonly #warnings: SidecarWarnings;
  /** Until the last question is answered, or given up. */
  #asked: Promise<unknown> = Promise.resolve();

  /** @param onWarning told of what the sidecar's own log says of moment */
  constructor(socket: Duplex, name: string, onWarning: (warning: SidecarWarning) => void) {
    this.#socket = socket;
    this.#name = name;
    this.#warnings = new SidecarWarnings(onWarning);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    for (const event of ['end', 'close', 'error']) {
      socket.on(event, () => {
        this.#ended = true;
        this.#warnings.end();
        this.#wake();
      });
    }
  }

  /** False when the sidecar has ended, or the connection to it. */
  get isOpen(): boolean {
    return !this.#ended;
  }

  /** @throws SandboxError `sidecar` when it refuses, ends, or does not answer before the signal aborts */
  async ask(
    command: SidecarCommand,
    wanted: Exclude<SidecarReply['type'], 'error'>,
    signal: AbortSignal,
  ): Promise<void> {
    const reply = await this.#ask(command, wanted, signal);
    if (reply.type === 'error') throw this.#failure(`refused to ${command.type}: ${reply.message}`);
  }

  /**
   * @returns what is wrong with it; `undefined` when it is well, or of a version that can only say that it lives
   * @throws SandboxError `sidecar` when it ends, or does not answer before the signal aborts
   */
  async health(signal: AbortSignal): Promise<string | undefined> {
    const reply = await this.#ask({ type: 'health' }, 'health', signal);
    return reply.type === 'health' ? reply.problem : undefined;
  }

  #ask(
    command: SidecarCommand,
    wanted: Exclude<SidecarReply['type'], 'error'>,
    signal: AbortSignal,
  ): Promise<SidecarReply> {
    const reply = this.#asked.then(() => this.#exchange(command, wanted, signal));
    this.#asked = reply.catch(() => undefined);
    return reply;
  }

  async #exchange(
    command: SidecarCommand,
    wanted: SidecarReply['type'],
    signal: AbortSignal,
  ): Promise<SidecarReply> {
    // Nobody waits for it any more, so it must not be carried out.
    if (signal.aborted) throw this.#failure(`was not asked to ${command.type} in time`, signal.reason);
    this.#socket.write(`${JSON.stringify(command)}\n`);
    for (;;) {
      const line = await this.#line(signal, command.type);
      const reply = sidecarReply.safeParse(parseJson(line));
      if (reply.success && (reply.data.type === wanted || reply.data.type === 'error')) return reply.data;
    }
  }

  /** The sidecar's stdin stays open without us: a sidecar outlives its worker. */
  close(): void {
    this.#socket.destroy();
  }

  async #line(signal: AbortSignal, doing: string): Promise<string> {
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined) return line;
      if (signal.aborted) throw this.#failure(`did not answer "${doing}" in time`, signal.reason);
      if (this.#ended) throw this.#failure(`ended before it answered "${doing}"`);
      await this.#change(signal);
    }
  }

  async #change(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const onAbort = () => resolve();
    signal.addEventListener('abort', onAbort, { once: true });
    await promise;
    signal.removeEventListener('abort', onAbort);
  }

  #take(chunk: Buffer): void {
    for (const { stream, bytes } of this.#decoder.push(chunk)) {
      if (stream === 'stderr') {
        this.#stderr = (this.#stderr + bytes).slice(-STDERR_TAIL);
        this.#warnings.push(String(bytes));
      } else this.#stdout = (this.#stdout + bytes).slice(-MAX_REPLY);
    }
    const lines = this.#stdout.split('\n');
    this.#stdout = lines.pop() ?? '';
    this.#lines.push(...lines);
    this.#wake();
  }

  #failure(what: string, cause?: unknown): SandboxError {
    const said = this.#stderr.trim();
    const detail = said === '' ? '' : `; its last words: ${said}`;
    return new SandboxError('sidecar', `the sidecar ${this.#name} ${what}${detail}`, { cause });
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    // A line of its log, and not a reply.
    return undefined;
  }
}
