import type { Duplex } from 'node:stream';
import { type SidecarCommand, type SidecarReply, sidecarReply } from '@cronium/contracts';
import { waitFor } from '@cronium/lifecycle';
import { FrameDecoder } from '../log/frames.ts';
import { SandboxError } from '../runtime.ts';
import { type SidecarWarning, SidecarWarnings } from './sidecar-warnings.ts';

const STDERR_TAIL = 2000;
const MAX_REPLY = 64 * 1024;

/** What is answered to each question, if it is not an `error`. */
const ANSWERS = {
  configure: 'ready',
  bind: 'bound',
  unbind: 'unbound',
  health: 'health',
} as const satisfies Record<SidecarCommand['type'], SidecarReply['type']>;

/**
 * The line to a sidecar, over its attached streams: one JSON line to it, one JSON line back. One question at a time: the
 * next one waits, also for the answer to one that nobody waits for any more, so that no answer is taken for another's. It
 * is kept open for as long as the sidecar is used.
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
  /** Until the last question that was put is answered. */
  #busy: Promise<unknown> = Promise.resolve();

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
  async ask(command: SidecarCommand, signal: AbortSignal): Promise<void> {
    const reply = await this.#ask(command, signal);
    if (reply.type === 'error') throw this.#failure(`refused to ${command.type}: ${reply.message}`);
  }

  /**
   * @returns what is wrong with it; `undefined` when it is well, or of a version that can only say that it lives
   * @throws SandboxError `sidecar` when it ends, or does not answer before the signal aborts
   */
  async health(signal: AbortSignal): Promise<string | undefined> {
    const reply = await this.#ask({ type: 'health' }, signal);
    return reply.type === 'health' ? reply.problem : undefined;
  }

  async #ask(command: SidecarCommand, signal: AbortSignal): Promise<SidecarReply> {
    const { type } = command;
    const former = this.#busy;
    let failed = `was not asked to ${type} in time`;
    const put = async () => {
      await former;
      // Nobody waits for it any more, so it must not be carried out.
      signal.throwIfAborted();
      failed = `did not answer "${type}" in time`;
      return await this.#exchange(command);
    };
    const reply = put();
    this.#busy = reply.catch(() => undefined);
    try {
      return await waitFor(reply, signal);
    } catch (error) {
      if (error !== signal.reason) throw error;
      throw this.#failure(failed, error);
    }
  }

  /** Goes on until the answer is there, or the line has ended. */
  async #exchange(command: SidecarCommand): Promise<SidecarReply> {
    this.#socket.write(`${JSON.stringify(command)}\n`);
    for (;;) {
      const reply = sidecarReply.safeParse(parseJson(await this.#line(command.type)));
      if (reply.success && isAnswer(reply.data, command)) return reply.data;
    }
  }

  /** The sidecar's stdin stays open without us: a sidecar outlives its worker. */
  close(): void {
    this.#socket.destroy();
  }

  async #line(doing: string): Promise<string> {
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined) return line;
      if (this.#ended) throw this.#failure(`ended before it answered "${doing}"`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
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

/** An attempt is bound when the sidecar names it. */
function isAnswer(reply: SidecarReply, command: SidecarCommand): boolean {
  if (reply.type === 'error') return true;
  if (reply.type !== ANSWERS[command.type]) return false;
  return reply.type !== 'bound' || (command.type === 'bind' && reply.attemptId === command.attemptId);
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    // A line of its log, and not a reply.
    return undefined;
  }
}
