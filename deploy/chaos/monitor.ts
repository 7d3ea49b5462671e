import { setTimeout as pause } from 'node:timers/promises';
import { LABEL } from '@cronium/contracts';
import type Docker from 'dockerode';
import { containerEvent, type Launch, LifeBook } from './life-book.ts';
import type { Life } from './lives.ts';

const AGAIN_MS = 300;
const ANSWER_MS = 20_000;

/**
 * Watches the job containers of one node from outside of the fleet: by its daemon's events, and by inspection whenever
 * the daemon was away, because a daemon forgets its events when it restarts.
 */
export class Monitor {
  readonly #docker: Docker;
  readonly #labels: readonly string[];
  readonly #book: LifeBook;
  /** When the last event was, in seconds as Docker wants them: those after it are told again. */
  #since: number | undefined;

  constructor(docker: Docker, node: string) {
    this.#docker = docker;
    this.#labels = [`${LABEL.node}=${node}`, `${LABEL.role}=job`];
    this.#book = new LifeBook(node);
  }

  /** The lives of the containers that these programs were sent to. */
  livesOf(launches: readonly Launch[]): readonly Life[] {
    return this.#book.livesOf(launches);
  }

  /** Watches until the signal aborts. Never rejects: a daemon that is away is waited for. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#watch(signal);
      } catch {
        // The daemon is away, and with it its events.
      }
      await pause(AGAIN_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #watch(abortSignal: AbortSignal): Promise<void> {
    const filters = JSON.stringify({ type: ['container'], label: this.#labels });
    const since = this.#since;
    const events = await this.#docker.getEvents({
      filters,
      abortSignal,
      ...(since !== undefined && { since }),
    });
    // After the events were asked for, so that nothing is missed in between.
    await this.#look();
    let text = '';
    for await (const piece of events) {
      const lines = `${text}${piece}`.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) this.#take(line);
    }
  }

  #take(line: string): void {
    const event = containerEvent.parse(JSON.parse(line));
    this.#book.take(event);
    this.#since = event.timeNano / 1e9;
  }

  /** What the events did not tell. */
  async #look(): Promise<void> {
    const abortSignal = AbortSignal.timeout(ANSWER_MS);
    const filters = { label: [...this.#labels] };
    const listed = await this.#docker.listContainers({ all: true, filters, abortSignal });
    for (const { Id } of listed) {
      const found = await this.#docker.getContainer(Id).inspect({ abortSignal }).catch(unlessGone);
      if (found === undefined) continue;
      this.#book.see(Id, found.State, Date.now());
    }
    this.#book.seenAll(new Set(listed.map(({ Id }) => Id)));
  }
}

/** Its end is among the events. @throws the error, when it says anything else than that the container is gone */
function unlessGone(error: unknown): undefined {
  if (!(error instanceof Error && 'statusCode' in error && error.statusCode === 404)) throw error;
}
