/** How often a time was of each step. A step is 5 % longer than the one before; see the migration's `tally_step`. */
export class Steps {
  readonly #counts: number[] = [];
  #total = 0;

  /** Counts a step so many times more. */
  add(step: number, n: number): void {
    this.#counts[step] = (this.#counts[step] ?? 0) + n;
    this.#total += n;
  }

  addAll(other: Steps): void {
    other.#counts.forEach((n, step) => {
      this.add(step, n);
    });
  }

  /** The time within which the share lies, give or take 2.5 %; null when there is none. */
  quantile(share: number): number | null {
    if (this.#total <= 0) return null;
    let left = share * this.#total;
    // The steps that nothing was of are holes, which this goes round.
    for (const step in this.#counts) {
      const n = this.#counts[step] ?? 0;
      left -= n;
      if (n > 0 && left <= 0) return Math.round(1.05 ** (Number(step) + 0.5) * 10) / 10;
    }
    return null;
  }
}

/** What some jobs come to: how many of each kind there are, and how long they waited and ran. */
export class Tallies {
  readonly #counts = new Map<string, number>();
  /** From the submit to the start of the script. */
  readonly start = new Steps();
  readonly run = new Steps();

  /** Adds counts as they are stored: JSON such as `{"state:failed":3,"run:42":7}`, where a step's number follows its kind. */
  addObject(text: string): void {
    const counts: Readonly<Record<string, number>> = JSON.parse(text);
    for (const what in counts) {
      const n = counts[what] ?? 0;
      if (what.startsWith('run:')) this.run.add(Number(what.slice(4)), n);
      else if (what.startsWith('start:')) this.start.add(Number(what.slice(6)), n);
      else this.#count(what, n);
    }
  }

  add(other: Tallies): void {
    this.run.addAll(other.run);
    this.start.addAll(other.start);
    for (const [what, n] of other.#counts) this.#count(what, n);
  }

  #count(what: string, n: number): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + n);
  }

  /** How many there are of a kind that is no step, such as `state:failed`. */
  of(what: string): number {
    return Math.max(0, this.#counts.get(what) ?? 0);
  }

  /** All of a kind that there are any of, by what stands behind it: those of `state` by `failed`, … */
  allOf(kind: string): Map<string, number> {
    const prefix = `${kind}:`;
    const own = [...this.#counts].filter(([what, n]) => n > 0 && what.startsWith(prefix));
    return new Map(own.map(([what, n]) => [what.slice(prefix.length), n]));
  }
}
