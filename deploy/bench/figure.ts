/** One measured figure beside what it is compared with. */
export interface Figure {
  /** `warm start, p50`. */
  readonly name: string;
  readonly unit: string;
  /** The median of the runs. */
  readonly value: number;
  readonly runs: readonly number[];
  /** Measured in the same runs. */
  readonly baseline?: { readonly name: string; readonly value: number; readonly runs: readonly number[] };
  /** What is wanted: a bound of the value, or of its ratio to the baseline. */
  readonly target?: {
    readonly of: 'value' | 'ratio';
    readonly atLeast?: number;
    readonly atMost?: number;
  };
}

export const ratioOf = ({ value, baseline }: Figure): number | undefined =>
  baseline === undefined ? undefined : value / baseline.value;

/** Is the target met? `undefined` without one. */
export function isMet(figure: Figure): boolean | undefined {
  const { target } = figure;
  if (target === undefined) return undefined;
  const value = target.of === 'value' ? figure.value : (ratioOf(figure) ?? Number.NaN);
  return (
    value >= (target.atLeast ?? Number.NEGATIVE_INFINITY) &&
    value <= (target.atMost ?? Number.POSITIVE_INFINITY)
  );
}

const HEAD = ['figure', 'value', 'baseline', 'ratio', 'target', ''];

/** The figures as a table for people. */
export function table(figures: readonly Figure[]): string {
  const rows = [HEAD, ...figures.map(rowOf)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function rowOf(figure: Figure): string[] {
  const { name, unit, value, baseline } = figure;
  const ratio = ratioOf(figure);
  const met = isMet(figure);
  return [
    name,
    `${shown(value)} ${unit}`,
    baseline === undefined ? '' : `${shown(baseline.value)} ${unit} (${baseline.name})`,
    ratio === undefined ? '' : shown(ratio),
    targetText(figure),
    met === undefined ? '' : met ? 'met' : 'missed',
  ];
}

function targetText({ target, unit }: Figure): string {
  if (target === undefined) return '';
  const bound =
    target.atLeast === undefined ? `<= ${shown(target.atMost ?? Number.NaN)}` : `>= ${shown(target.atLeast)}`;
  return target.of === 'ratio' ? `ratio ${bound}` : `${bound} ${unit}`;
}

/** Three digits that count. */
export function shown(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(3))) : '-';
}
