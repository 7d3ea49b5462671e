import { constants } from 'node:os';
import { LABEL } from '@cronium/contracts';
import { repeat } from '@cronium/lifecycle';
import type { DockerClient } from './docker.ts';
import type { ContainerEvidence } from './runtime.ts';
import { ToldEvents } from './told-events.ts';

const RECONNECT_MS = 500;
/** A daemon may tell of an event so much later than it stamped it; 65 ms were seen. */
const LATE_MS = 1000;
/** Of one container; the first ones are kept, they tell how it began to go wrong. */
const MAX_EVENTS = 100;
const SIGNAL_NAMES = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));

type DockerEvent = ContainerEvidence['events'][number];
type Kill = ContainerEvidence['kills'][number];

interface Tracked {
  readonly events: DockerEvent[];
  readonly kills: Kill[];
  oomEvents: number;
  hasDied: boolean;
  readonly wake: Set<() => void>;
}

interface EventMessage {
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes?: Readonly<Record<string, string>> };
  readonly timeNano: number;
}

/**
 * What Docker says happens to this node's containers. Docker keeps few events and loses them with its process: they are
 * evidence and a reason to look at once, never the truth about a container's state.
 */
export class ContainerEvents {
  readonly #client: DockerClient;
  readonly #node: string;
  readonly #tracked = new Map<string, Tracked>();
  readonly #stop = new AbortController();
  readonly #onBreak: () => void;
  readonly #told = new ToldEvents();
  #running: Promise<void> | undefined;

  /** @param onBreak called when the connection to the daemon was lost: it may have been restarted */
  constructor(client: DockerClient, node: string, onBreak: () => void) {
    this.#client = client;
    this.#node = node;
    this.#onBreak = onBreak;
  }

  start(): void {
    const options = { everyMs: RECONNECT_MS, signal: this.#stop.signal, onError: () => undefined };
    this.#running ??= repeat((signal) => this.#follow(signal).finally(this.#onBreak), options);
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error('closed'));
    await this.#running;
  }

  /** Begins to keep what is said of a container; call it before the container starts. */
  track(id: string): void {
    if (!this.#tracked.has(id)) this.#tracked.set(id, newTracked());
  }

  forget(id: string): void {
    this.#tracked.delete(id);
  }

  of(id: string): Readonly<Omit<Tracked, 'wake'>> {
    return this.#tracked.get(id) ?? newTracked();
  }

  /** Has one of them ended, as far as is known? */
  hasAnyDied(...ids: readonly string[]): boolean {
    return ids.some((id) => this.of(id).hasDied);
  }

  /** Calls `wake` at each event of the container, until the returned function is called. */
  listen(id: string, wake: () => void): () => void {
    const tracked = this.#tracked.get(id);
    tracked?.wake.add(wake);
    return () => void tracked?.wake.delete(wake);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { sinceMs } = this.#told;
    const since = sinceMs === undefined ? {} : { since: (sinceMs / 1000).toFixed(6) };
    const body = await this.#client.stream({
      operation: 'listen to events',
      method: 'GET',
      path: '/events',
      query: { ...since, filters: { type: ['container'], label: [`${LABEL.node}=${this.#node}`] } },
      signal,
    });
    this.#told.begin(clockOf(body.headers) - LATE_MS);
    // A letter of a label may come in two pieces.
    body.setEncoding('utf8');
    const onAbort = () => body.destroy();
    signal.addEventListener('abort', onAbort, { once: true });
    let rest = '';
    try {
      for await (const chunk of body) {
        const lines = (rest + String(chunk)).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) if (line.trim() !== '') this.#hear(line);
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      body.destroy();
    }
  }

  /** A stream that is opened anew repeats some of the one before. */
  #hear(line: string): void {
    const message = JSON.parse(line) as EventMessage;
    const at = message.timeNano / 1e6;
    if (this.#told.isNew(line, at)) this.#take(message, at);
  }

  #take(message: EventMessage, at: number): void {
    const tracked = this.#tracked.get(message.Actor.ID);
    if (tracked === undefined) return;
    const attributes = telling(message.Actor.Attributes ?? {});
    if (tracked.events.length < MAX_EVENTS) tracked.events.push({ action: message.Action, at, attributes });
    tracked.events.sort((one, other) => one.at - other.at);
    if (message.Action === 'oom') tracked.oomEvents++;
    if (message.Action === 'die') tracked.hasDied = true;
    if (message.Action === 'kill') tracked.kills.push({ signal: signalName(attributes.signal), at });
    for (const wake of tracked.wake) wake();
  }
}

function newTracked(): Tracked {
  return { events: [], kills: [], oomEvents: 0, hasDied: false, wake: new Set() };
}

/** What time it is for the daemon: its clock need not be ours. */
function clockOf({ date }: NodeJS.Dict<string | string[]>): number {
  const said = Date.parse(String(date));
  return Number.isNaN(said) ? Date.now() : said;
}

/** Without the labels, which Docker repeats in each event. */
function telling(attributes: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(attributes).filter(
      ([name]) => name === 'exitCode' || name === 'signal' || name === 'name',
    ),
  );
}

function signalName(signal: string | undefined): string {
  return SIGNAL_NAMES.get(Number(signal)) ?? signal ?? 'unknown';
}
