import { setTimeout as pause } from 'node:timers/promises';
import { LABEL } from '@cronium/contracts';
import type Docker from 'dockerode';
import { z } from 'zod';
import type { Life } from './lives.ts';

const event = z.object({
  Action: z.string(),
  timeNano: z.number(),
  Actor: z.object({ ID: z.string(), Attributes: z.record(z.string(), z.string()) }),
});

const AGAIN_MS = 300;
const ANSWER_MS = 5000;

/**
 * Watches the job containers of one node from outside of the fleet: by its daemon's events, and by inspection whenever
 * the daemon was away, because a daemon forgets its events when it restarts.
 */
export class Monitor {
  readonly #docker: Docker;
  readonly #node: string;
  readonly #lives = new Map<string, Life>();
  /** When each living container was last known to live. */
  readonly #seenMs = new Map<string, number>();

  constructor(docker: Docker, node: string) {
    this.#docker = docker;
    this.#node = node;
  }

  get lives(): readonly Life[] {
    return [...this.#lives.values()];
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
    const events = await this.#docker.getEvents({ filters, abortSignal });
    // After the events were asked for, so that nothing is missed in between.
    await this.#look();
    let text = '';
    for await (const piece of events) {
      const lines = `${text}${piece}`.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) this.#take(line);
    }
  }

  get #labels(): string[] {
    return [`${LABEL.node}=${this.#node}`, `${LABEL.role}=job`];
  }

  #take(line: string): void {
    const { Action: action, timeNano, Actor } = event.parse(JSON.parse(line));
    const atMs = timeNano / 1e6;
    const labels = Actor.Attributes;
    // A container that stood warm is given the job's name when a job takes it: the life counts from there.
    if (action === 'start' || action === 'rename') this.#started(Actor.ID, atMs, { ...labels });
    const life = this.#lives.get(Actor.ID);
    if (life === undefined) return;
    this.#seenMs.set(Actor.ID, atMs);
    if (action === 'die' || action === 'destroy') life.endedMs = Math.min(life.endedMs, atMs);
    else if (action === 'pause') life.frozen.push({ fromMs: atMs, toMs: Number.POSITIVE_INFINITY });
    else if (action === 'unpause') thaw(life, atMs);
  }

  #started(containerId: string, startedMs: number, labels: Readonly<Record<string, string>>): void {
    if (this.#lives.has(containerId)) return;
    const jobId = labels[LABEL.job] ?? jobNamedBy(labels.name ?? '');
    if (jobId === undefined) return;
    const attemptId = labels[LABEL.attempt] ?? `${jobId} in ${containerId.slice(0, 12)}`;
    const life = { containerId, node: this.#node, jobId, attemptId, startedMs };
    this.#lives.set(containerId, { ...life, endedMs: Number.POSITIVE_INFINITY, frozen: [] });
  }

  /** What the events did not tell. */
  async #look(): Promise<void> {
    const filters = { label: this.#labels };
    const abortSignal = AbortSignal.timeout(ANSWER_MS);
    const listed = await this.#docker.listContainers({ all: true, filters, abortSignal });
    for (const { Id, Labels } of listed) await this.#inspect(Id, Labels);
    const there = new Set(listed.map(({ Id }) => Id));
    for (const life of this.#lives.values()) {
      if (there.has(life.containerId) || life.endedMs !== Number.POSITIVE_INFINITY) continue;
      life.endedMs = this.#seenMs.get(life.containerId) ?? life.startedMs;
      life.endUncertain = true;
    }
  }

  async #inspect(id: string, labels: Readonly<Record<string, string>>): Promise<void> {
    const { State, Name } = await this.#docker
      .getContainer(id)
      .inspect({ abortSignal: AbortSignal.timeout(ANSWER_MS) });
    const startedMs = Date.parse(State.StartedAt);
    // Created and not started: Docker gives the year 1.
    if (startedMs <= 0) return;
    const isOfJob = labels[LABEL.job] !== undefined;
    this.#started(id, isOfJob ? startedMs : Date.now(), { ...labels, name: Name });
    const life = this.#lives.get(id);
    if (life === undefined) return;
    if (State.Running) this.#seenMs.set(id, Date.now());
    else if (life.endedMs === Number.POSITIVE_INFINITY) life.endedMs = Date.parse(State.FinishedAt);
  }
}

function thaw(life: Life, atMs: number): void {
  const last = life.frozen.pop();
  if (last !== undefined) life.frozen.push({ ...last, toMs: Math.min(last.toMs, atMs) });
}

/** The job whose name a container bears. */
export function jobNamedBy(name: string): string | undefined {
  const [, jobId] = /cronium-job-(job_[0-9A-Za-z]{12})$/.exec(name) ?? [];
  return jobId;
}
