import { LiveLine, type Paint, progressLine } from '@cronium/cli/render';
import type { CroniumClient } from '@cronium/client';
import type { BatchView } from '@cronium/contracts';

/** Where progress is shown. */
export interface Screen {
  readonly paint: Paint;
  readonly width: number;
  /** Is it a terminal, on which a line can be written again? */
  readonly live: boolean;
  write(text: string): void;
}

const LINE_EVERY_MS = 5_000;

/** Watches a batch to its end: a bar that is drawn again and again, or a line now and then. */
export async function followBatch(client: CroniumClient, id: string, screen: Screen): Promise<BatchView> {
  const startedAt = performance.now();
  const line = new LiveLine(screen.live ? (text) => screen.write(text) : undefined);
  let toldAt = startedAt;
  const view = await client.waitForBatch(id, {
    everyMs: 250,
    onProgress(now) {
      const text = describe(now, performance.now() - startedAt, screen);
      if (screen.live) return line.show(text);
      if (performance.now() - toldAt < LINE_EVERY_MS) return;
      toldAt = performance.now();
      screen.write(`${text}\n`);
    },
  });
  line.clear();
  screen.write(`${describe(view, performance.now() - startedAt, screen)}\n`);
  return view;
}

function describe(view: BatchView, elapsedMs: number, { paint, width }: Screen): string {
  const failed = view.ended - view.counts.succeeded;
  return progressLine(
    {
      done: view.ended,
      total: view.total,
      failed,
      running: view.counts.running,
      perSecond: elapsedMs < 500 ? null : (view.ended * 1000) / elapsedMs,
      etaSeconds: view.etaSeconds,
    },
    { width, paint },
  );
}
