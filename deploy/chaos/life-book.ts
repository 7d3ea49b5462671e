import { parseAttemptId } from '@cronium/contracts';
import { z } from 'zod';
import type { Life, Span } from './lives.ts';

/** What a Docker daemon tells of a container. */
export const containerEvent = z.object({
  Action: z.string(),
  timeNano: z.number(),
  Actor: z.object({ ID: z.string() }),
});
export type ContainerEvent = z.infer<typeof containerEvent>;

/** Docker's `State` of a container. */
export interface ContainerState {
  readonly Running: boolean;
  readonly Paused: boolean;
  readonly StartedAt: string;
  readonly FinishedAt: string;
}

/** A worker said that it sends an attempt's program to a container. Before that, no user code runs in it. */
export interface Launch {
  readonly attemptId: string;
  readonly containerId: string;
  readonly atMs: number;
  /** In a container that a batch shares: when nothing of the attempt was left in it, as far as its worker saw that. */
  readonly overMs?: number;
}

const SENT = 'sending the program';
const OVER = 'the turn is over';

const turnLine = z.object({
  msg: z.enum([SENT, OVER]),
  time: z.iso.datetime(),
  attempt: z.string(),
  container: z.string(),
});

/** The launches among the lines that a worker has logged. */
export function launchesIn(lines: readonly string[]): Launch[] {
  const told = lines
    .filter((line) => [SENT, OVER].some((text) => line.includes(`"${text}"`)))
    .map((line) => turnLine.parse(JSON.parse(line)));
  const placeOf = ({ attempt, container }: (typeof told)[number]) => `${attempt} ${container}`;
  const over = new Map(
    told.filter(({ msg }) => msg === OVER).map((one) => [placeOf(one), Date.parse(one.time)]),
  );
  return told
    .filter(({ msg }) => msg === SENT)
    .map((one) => {
      const overMs = over.get(placeOf(one));
      return {
        ...{ attemptId: one.attempt, containerId: one.container, atMs: Date.parse(one.time) },
        ...(overMs !== undefined && { overMs }),
      };
    });
}

interface Body {
  endedMs: number;
  readonly frozen: Span[];
  /** When it was last known to live. */
  seenMs: number;
  endUncertain: boolean;
}

/** The lives of one node's job containers, from what its daemon tells and how they are found when they are looked at. */
export class LifeBook {
  readonly #node: string;
  readonly #bodies = new Map<string, Body>();

  constructor(node: string) {
    this.#node = node;
  }

  /** The lives of those that a program was sent to. */
  livesOf(launches: readonly Launch[]): Life[] {
    return launches.flatMap(({ attemptId, containerId, atMs, overMs = Number.POSITIVE_INFINITY }) => {
      const body = this.#bodies.get(containerId);
      if (body === undefined) return [];
      const { endedMs, frozen, endUncertain } = body;
      const { jobId } = parseAttemptId(attemptId);
      const identity = { containerId, node: this.#node, jobId, attemptId };
      return [{ ...identity, startedMs: atMs, endedMs: Math.min(endedMs, overMs), frozen, endUncertain }];
    });
  }

  /** The daemon tells of something. */
  take({ Action: action, timeNano, Actor }: ContainerEvent): void {
    const atMs = timeNano / 1e6;
    const body = this.#body(Actor.ID);
    body.seenMs = Math.max(body.seenMs, atMs);
    if (action === 'die' || action === 'destroy') body.endedMs = Math.min(body.endedMs, atMs);
    else if (action === 'pause') freeze(body, atMs);
    else if (action === 'unpause') thaw(body, atMs);
  }

  /** A container was looked at. */
  see(containerId: string, state: ContainerState, nowMs: number): void {
    // Created and not started: Docker gives the year 1.
    if (Date.parse(state.StartedAt) <= 0) return;
    const body = this.#body(containerId);
    if (!state.Running) {
      body.endedMs = Math.min(body.endedMs, Date.parse(state.FinishedAt));
      return;
    }
    body.seenMs = Math.max(body.seenMs, nowMs);
    if (state.Paused) freeze(body, nowMs);
    else thaw(body, nowMs);
  }

  /** These are all that there are: any other has ended, when is not known. */
  seenAll(containerIds: ReadonlySet<string>): void {
    for (const [id, body] of this.#bodies) {
      if (containerIds.has(id) || body.endedMs !== Number.POSITIVE_INFINITY) continue;
      body.endedMs = body.seenMs;
      body.endUncertain = true;
    }
  }

  #body(containerId: string): Body {
    const known = this.#bodies.get(containerId);
    if (known !== undefined) return known;
    const endedMs = Number.POSITIVE_INFINITY;
    const body = { endedMs, frozen: [], seenMs: 0, endUncertain: false };
    this.#bodies.set(containerId, body);
    return body;
  }
}

function isFrozen({ frozen }: Body): boolean {
  return frozen.at(-1)?.toMs === Number.POSITIVE_INFINITY;
}

/** What is seen and what is told of one standstill may come in either order. */
function freeze(body: Body, atMs: number): void {
  const last = isFrozen(body) ? body.frozen.pop() : undefined;
  const fromMs = Math.min(last?.fromMs ?? atMs, atMs);
  body.frozen.push({ fromMs, toMs: Number.POSITIVE_INFINITY });
}

function thaw(body: Body, atMs: number): void {
  const last = body.frozen.at(-1);
  if (last === undefined || atMs < last.fromMs || atMs >= last.toMs) return;
  body.frozen.pop();
  body.frozen.push({ ...last, toMs: atMs });
}
