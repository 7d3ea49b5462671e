/** What is set aside is tried again this seldom: results may be newer tomorrow. */
export const SET_ASIDE_MS = 30_000;

/** So many in a row are no accident: they may come of one part of the request. */
const REPEATED = 3;

/**
 * Counts requests in a row that results took and failed at. One part of such a request may be to blame, or results as a whole; it is
 * told by sending each part alone.
 */
export class Faults {
  #inARow = 0;

  /** One more. @returns is it time to send each part alone? */
  add(): boolean {
    this.#inARow += 1;
    return this.#inARow >= REPEATED;
  }

  /** A request was answered well. @returns was it results as a whole, so that what was set aside may be well too? */
  end(): boolean {
    const wereRepeated = this.#inARow >= REPEATED;
    this.#inARow = 0;
    return wereRepeated;
  }
}
