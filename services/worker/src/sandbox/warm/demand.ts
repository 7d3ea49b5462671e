import type { JobSpec } from '@cronium/contracts';

/** Jobs of one kind can run in the same warm container: same image, limits and working folder. */
export interface Kind {
  readonly key: string;
  /** Any job of the kind. */
  readonly spec: JobSpec;
}

interface Known extends Kind {
  /** Jobs, each counting half as much after every {@link HALF_LIFE_MS}. */
  weight: number;
  at: number;
  lastUsedAt: number;
  queued: number;
  /** Tries in a row that made none, and from when on it is tried again. */
  failures: number;
  notBefore: number;
}

const HALF_LIFE_MS = 10_000;
/** The weight that one job a second keeps up. */
const WEIGHT_OF_ONE_A_SECOND = HALF_LIFE_MS / 1000 / Math.LN2;
/** How long it takes to have another warm container, with room for bursts. */
const LEAD_SECONDS = 2;
/** After a failure; twice as long after each further one, so that what the daemon refuses is not asked for all the time. */
const PATIENCE_MS = 5000;
/** A kind that nobody asked for in this time is forgotten. */
const REMEMBERED_MS = 600_000;

/**
 * What kinds of jobs are likely to come, from those that came lately and those that the queues hold. All times are
 * monotonic milliseconds.
 */
export class Demand {
  readonly #kinds = new Map<string, Known>();

  /** A job of this kind came. */
  came(kind: Kind, now: number): void {
    const known = this.#know(kind, now);
    known.weight = decayed(known, now) + 1;
    known.at = now;
    known.lastUsedAt = now;
  }

  /** These wait in the queues now; replaces what was said before. */
  waiting(kinds: readonly Kind[], now: number): void {
    for (const known of this.#kinds.values()) known.queued = 0;
    for (const kind of kinds) {
      const known = this.#know(kind, now);
      known.queued += 1;
      known.lastUsedAt = now;
    }
  }

  /** How many warm containers of each kind are worth having, `limit` in all; the most wanted kinds come first. */
  wanted(limit: number, now: number): ReadonlyMap<string, { readonly kind: Kind; readonly count: number }> {
    for (const [key, known] of this.#kinds) {
      if (now - known.lastUsedAt > REMEMBERED_MS) this.#kinds.delete(key);
    }
    const ranked = [...this.#kinds.values()]
      .map((kind) => ({ kind, weight: kind.queued + decayed(kind, now), count: countFor(kind, now) }))
      .toSorted((one, other) => other.weight - one.weight);
    const plan = new Map<string, { kind: Kind; count: number }>();
    let left = limit;
    // One of each before more of any: a second warm container is worth less than a first.
    for (const { kind } of ranked.slice(0, left)) plan.set(kind.key, { kind, count: 1 });
    left -= plan.size;
    for (const { kind, count } of ranked) {
      const more = Math.min(left, count - 1);
      const planned = plan.get(kind.key);
      if (planned === undefined || more <= 0) continue;
      planned.count += more;
      left -= more;
    }
    return plan;
  }

  /** Could none be made of this kind lately, so that it is better not tried yet? */
  isDoubtful(key: string, now: number): boolean {
    return now < (this.#kinds.get(key)?.notBefore ?? now);
  }

  /** Tells whether one could be made. */
  tried(key: string, wasMade: boolean, now: number): void {
    const known = this.#kinds.get(key);
    if (known === undefined) return;
    known.failures = wasMade ? 0 : known.failures + 1;
    known.notBefore = wasMade ? now : now + PATIENCE_MS * 2 ** (known.failures - 1);
  }

  #know({ key, spec }: Kind, now: number): Known {
    const known = this.#kinds.get(key) ?? {
      ...{ key, spec, weight: 0, at: now, lastUsedAt: now, queued: 0 },
      ...{ failures: 0, notBefore: now },
    };
    this.#kinds.set(key, known);
    return known;
  }
}

function decayed({ weight, at }: Known, now: number): number {
  return weight * 0.5 ** ((now - at) / HALF_LIFE_MS);
}

function countFor(known: Known, now: number): number {
  const perSecond = decayed(known, now) / WEIGHT_OF_ONE_A_SECOND;
  return Math.max(1, known.queued, Math.ceil(perSecond * LEAD_SECONDS));
}
