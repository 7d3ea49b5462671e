import type { LiveMessage, LiveSubscriptionInput } from '@cronium/contracts';

/**
 * How news come: `live` over the WebSocket; `reconnecting` while it is cut; `polling` when the service answers and
 * WebSockets do not get through.
 */
export type LinkState = 'connecting' | 'live' | 'reconnecting' | 'polling';

/** What a part of the page wants to hear of. */
export interface Want {
  readonly jobs?: readonly string[];
  readonly batches?: readonly string[];
  readonly logs?: readonly { readonly job: string; readonly attempt: number }[];
  readonly workers?: boolean;
  readonly activity?: boolean;
}

/** What the link needs of its surroundings. */
export interface LinkOptions {
  open(): WebSocket;
  /** Resolves when the service answers over plain HTTP. */
  probe(): Promise<unknown>;
  onState(state: LinkState): void;
  onMessage(message: LiveMessage): void;
}

/** The service says something every 5 s; past this the connection is dead. */
const SILENCE_MS = 12_000;
const FIRST_PAUSE_MS = 400;
const LONGEST_PAUSE_MS = 5000;
/** So many failures in a row while HTTP works: WebSockets are blocked. */
const BLOCKED_AFTER = 2;

/**
 * The one WebSocket of the page. It subscribes to the union of what is wanted, connects again when it is cut, and resumes
 * behind the last message that was handled.
 */
export class LiveLink {
  readonly #options: LinkOptions;
  readonly #wants = new Set<Want>();
  #socket: WebSocket | undefined;
  #state: LinkState = 'connecting';
  #cursor: string | undefined;
  #failures = 0;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #again: ReturnType<typeof setTimeout> | undefined;
  #sending = false;
  #stopped = true;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#again);
    clearTimeout(this.#silence);
    this.#socket?.close();
    this.#socket = undefined;
    this.#cursor = undefined;
  }

  /** Hears of something until the result is called. */
  want(want: Want): () => void {
    this.#wants.add(want);
    this.#subscribeSoon();
    return () => {
      this.#wants.delete(want);
      this.#subscribeSoon();
    };
  }

  /** Connects now instead of after the pause: the machine woke up, or the network is back. */
  hurry(): void {
    if (this.#stopped || this.#socket !== undefined) return;
    clearTimeout(this.#again);
    this.#connect();
  }

  #connect(): void {
    const socket = this.#options.open();
    this.#socket = socket;
    this.#listenForSilence(socket);
    socket.onopen = () => this.#subscribe();
    socket.onmessage = ({ data }) => {
      this.#listenForSilence(socket);
      this.#hear(JSON.parse(String(data)) as LiveMessage);
    };
    socket.onclose = () => this.#lost(socket);
  }

  #hear(message: LiveMessage): void {
    if (message.type !== 'cursor') {
      this.#options.onMessage(message);
      return;
    }
    this.#cursor = message.cursor;
    this.#failures = 0;
    this.#become('live');
  }

  #listenForSilence(socket: WebSocket): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      socket.close();
      this.#lost(socket);
    }, SILENCE_MS);
  }

  #lost(socket: WebSocket): void {
    if (this.#socket !== socket || this.#stopped) return;
    this.#socket = undefined;
    clearTimeout(this.#silence);
    this.#failures += 1;
    if (this.#state === 'live') this.#become('reconnecting');
    if (this.#failures >= BLOCKED_AFTER) void this.#tellCutFromBlocked();
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.#failures - 1));
    this.#again = setTimeout(() => this.#connect(), pauseMs * (0.75 + Math.random() / 2));
  }

  async #tellCutFromBlocked(): Promise<void> {
    const answers = await this.#options.probe().then(
      () => true,
      () => false,
    );
    if (this.#stopped || this.#failures < BLOCKED_AFTER) return;
    this.#become(answers ? 'polling' : 'reconnecting');
  }

  #become(state: LinkState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#options.onState(state);
  }

  /** Parts that appear together are told in one subscription. */
  #subscribeSoon(): void {
    if (this.#sending) return;
    this.#sending = true;
    queueMicrotask(() => {
      this.#sending = false;
      this.#subscribe();
    });
  }

  #subscribe(): void {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify(subscriptionOf([...this.#wants], this.#cursor)));
  }
}

/** One subscription for all wants. */
export function subscriptionOf(wants: readonly Want[], cursor?: string): LiveSubscriptionInput {
  const logs = new Map(
    wants.flatMap(({ logs = [] }) => logs).map((log) => [`${log.job}.${log.attempt}`, log]),
  );
  return {
    type: 'subscribe',
    jobs: [...new Set(wants.flatMap(({ jobs = [] }) => jobs))],
    batches: [...new Set(wants.flatMap(({ batches = [] }) => batches))],
    logs: [...logs.values()],
    workers: wants.some(({ workers }) => workers === true),
    activity: wants.some(({ activity }) => activity === true),
    ...(cursor !== undefined && { cursor }),
  };
}
