import { duration } from './duration.ts';
import { cut, type Paint } from './paint.ts';

/** What a progress bar shows. */
export interface Progress {
  readonly done: number;
  readonly total: number;
  readonly failed: number;
  readonly running: number;
  readonly perSecond: number | null;
  readonly etaSeconds: number | null;
}

const BAR_COLUMNS = 28;

/** One line: a bar, a percentage, counts, pace and what is left. */
export function progressLine(
  progress: Progress,
  { width, paint }: { readonly width: number; readonly paint: Paint },
): string {
  const share = progress.total === 0 ? 0 : Math.min(1, progress.done / progress.total);
  const full = Math.floor(share * BAR_COLUMNS);
  const bar = `${paint('green', '█'.repeat(full))}${paint('dim', '░'.repeat(BAR_COLUMNS - full))}`;
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  const facts = [
    `${progress.done}/${progress.total}`,
    ...(progress.running > 0 ? [`${progress.running} running`] : []),
    ...(progress.failed > 0 ? [`${progress.failed} failed`] : []),
    ...(progress.perSecond === null ? [] : [`${rate(progress.perSecond)}/s`]),
    ...(progress.etaSeconds === null || share === 1 ? [] : [`${duration(progress.etaSeconds * 1000)} left`]),
  ].join(' · ');
  const left = width - BAR_COLUMNS - percent.length - 3;
  return `${bar} ${percent} ${cut(facts, Math.max(0, left))}`;
}

function rate(perSecond: number): string {
  return perSecond >= 10 ? String(Math.round(perSecond)) : perSecond.toFixed(1);
}

/** A line of a terminal that is written again and again. Without a terminal it writes nothing. */
export class LiveLine {
  readonly #write: ((text: string) => void) | undefined;
  #shown = false;

  constructor(write: ((text: string) => void) | undefined) {
    this.#write = write;
  }

  show(line: string): void {
    this.#write?.(`\r\u001b[2K${line}`);
    this.#shown = this.#write !== undefined;
  }

  /** Removes the line, so that other text can be written in its place. */
  clear(): void {
    if (this.#shown) this.#write?.('\r\u001b[2K');
    this.#shown = false;
  }
}
