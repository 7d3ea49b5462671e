import { hash } from 'node:crypto';

/** More than a daemon tells in the time by which two of its events can come in the wrong order; Docker itself keeps 256. */
const KEPT = 1024;
/** The numbers of a parsed event are as coarse as 256 ns. */
const COARSE_MS = 1;

/**
 * Which events of a daemon were told already. A daemon stamps an event before its turn comes to write it down, so one that
 * is told later may be the older one: no stamp says what is new. But a stream that is opened anew repeats only what was
 * stamped since `sinceMs`, in the order in which it was told at first, and this knows each of those that were told:
 *
 * - known are the latest ones in the order in which they came, and
 * - `sinceMs` lies after the stamps of all that are known no more.
 *
 * So each is new once, whatever their order. None is missed that is told before so many later ones as are known here.
 */
export class ToldEvents {
  readonly #kept: number;
  /** When each was stamped, by what tells it from all others: its text. That is as long as the labels of images are. */
  readonly #stamps = new Map<string, number>();
  #sinceMs: number | undefined;

  constructor(kept: number = KEPT) {
    this.#kept = kept;
  }

  /** What was stamped since then is to be repeated; `undefined` before the first stream. */
  get sinceMs(): number | undefined {
    return this.#sinceMs;
  }

  /** The first stream is open: what comes after it may be missed, what was before it is nobody's. */
  begin(atMs: number): void {
    this.#sinceMs ??= atMs;
  }

  /** Is this event told for the first time? */
  isNew(text: string, stampMs: number): boolean {
    const key = hash('sha256', text, 'base64');
    if (this.#stamps.has(key)) return false;
    this.#stamps.set(key, stampMs);
    if (this.#stamps.size > this.#kept) this.#forgetFirst();
    return true;
  }

  #forgetFirst(): void {
    const [first] = this.#stamps;
    if (first === undefined) return;
    const [key, stampMs] = first;
    this.#stamps.delete(key);
    this.#sinceMs = Math.max(this.#sinceMs ?? 0, stampMs + COARSE_MS);
  }
}
