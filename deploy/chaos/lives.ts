/** A stretch of time in Unix milliseconds. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** The life of one job container, from when its program was sent until its daemon said that it ended. */
export interface Life {
  readonly containerId: string;
  readonly node: string;
  readonly jobId: string;
  readonly attemptId: string;
  readonly startedMs: number;
  /** Infinity while it lives. */
  endedMs: number;
  /** While it was frozen nothing of it ran. */
  readonly frozen: Span[];
  /** The daemon was away when it ended: it was alive at `endedMs`, and perhaps for a while after. */
  endUncertain?: boolean;
}

/** Two containers of one job that ran at the same time. */
export interface Overlap extends Span {
  readonly older: Life;
  readonly newer: Life;
}

/** Finds jobs of which two containers ran at once. */
export function overlapsOf(lives: readonly Life[]): Overlap[] {
  const byJob = Map.groupBy(lives, ({ jobId }) => jobId);
  return [...byJob.values()].flatMap((own) => {
    const inOrder = own.toSorted((a, b) => a.startedMs - b.startedMs);
    return inOrder.flatMap((older, index) =>
      inOrder
        .slice(index + 1)
        .flatMap((newer) => commonTime(older, newer).map((span) => ({ older, newer, ...span }))),
    );
  });
}

function commonTime(one: Life, other: Life): Span[] {
  return ranIn(one).flatMap((a) =>
    ranIn(other).flatMap((b) => {
      const fromMs = Math.max(a.fromMs, b.fromMs);
      const toMs = Math.min(a.toMs, b.toMs);
      return fromMs < toMs ? [{ fromMs, toMs }] : [];
    }),
  );
}

/** The stretches of a life in which it was not frozen. */
function ranIn({ startedMs, endedMs, frozen }: Life): Span[] {
  const spans: Span[] = [];
  let fromMs = startedMs;
  for (const pause of frozen) {
    spans.push({ fromMs, toMs: Math.min(pause.fromMs, endedMs) });
    fromMs = Math.max(fromMs, Math.min(pause.toMs, endedMs));
  }
  spans.push({ fromMs, toMs: endedMs });
  return spans.filter((span) => span.fromMs < span.toMs);
}

/**
 * Was an overlap's older worker or daemon kept from acting all the while?
 * @param away when it was
 * @param returnMs after it came back it needs a moment to hold still or remove what is stale
 */
export function isExcused(
  { fromMs, toMs }: Overlap,
  { away, returnMs }: { readonly away: readonly Span[]; readonly returnMs: number },
): boolean {
  let coveredMs = fromMs;
  for (const span of away.toSorted((a, b) => a.fromMs - b.fromMs)) {
    const until = span.toMs + returnMs;
    if (span.fromMs <= coveredMs && until > coveredMs) coveredMs = until;
  }
  return coveredMs >= toMs;
}
