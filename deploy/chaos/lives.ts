/** A stretch of time in Unix milliseconds. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** The life of one job container, as its daemon told it. */
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
    fromMs = Math.min(pause.toMs, endedMs);
  }
  spans.push({ fromMs, toMs: endedMs });
  return spans.filter((span) => span.fromMs < span.toMs);
}
