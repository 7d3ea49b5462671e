import { columnsOf, cut, type Paint, padTo } from './paint.ts';
import { plain } from './text.ts';

/** A column of a table. */
export interface Column<T> {
  readonly title: string;
  /** The cell's plain text. */
  value(row: T): string;
  /** Colours the cell's text, which may have been cut. */
  paint?(row: T, text: string): string;
  readonly align?: 'left' | 'right';
  /** May be cut when the terminal is too narrow. Columns that may not, never are. */
  readonly flexible?: boolean;
}

const GAP = '  ';
const MIN_FLEXIBLE = 8;

/** Lines of a table: titles, then a line for each row. */
export function table<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  { width, paint }: { readonly width: number; readonly paint: Paint },
): string[] {
  const cells = rows.map((row) => columns.map((column) => plain(column.value(row))));
  const natural = columns.map(({ title }, index) =>
    Math.max(title.length, ...cells.map((line) => columnsOf(line[index] ?? ''))),
  );
  const widths = fit(natural, columns, width);
  const head = columns.map(({ title, align }, index) => cell(title, widths[index] ?? 0, align));
  const lines = rows.map((row, line) =>
    columns.map((column, index) => {
      const size = widths[index] ?? 0;
      const text = cut(cells[line]?.[index] ?? '', size);
      return cell(column.paint?.(row, text) ?? text, size, column.align);
    }),
  );
  return [paint('bold', head.join(GAP).trimEnd()), ...lines.map((line) => line.join(GAP).trimEnd())];
}

function cell(text: string, size: number, align: 'left' | 'right' = 'left'): string {
  return padTo(text, size, align === 'right' ? 'left' : 'right');
}

/** Narrows the widest flexible column again and again until the table fits. */
function fit(natural: readonly number[], columns: readonly Column<never>[], width: number): number[] {
  const widths = [...natural];
  const total = () => widths.reduce((sum, one) => sum + one, 0) + GAP.length * (widths.length - 1);
  for (let over = total() - width; over > 0; over = total() - width) {
    const index = widest(widths, columns);
    const size = widths[index];
    if (size === undefined) return widths;
    widths[index] = Math.max(MIN_FLEXIBLE, size - over);
  }
  return widths;
}

function widest(widths: readonly number[], columns: readonly Column<never>[]): number {
  let found = -1;
  for (const [index, size] of widths.entries()) {
    if (columns[index]?.flexible === true && size > MIN_FLEXIBLE && size > (widths[found] ?? 0))
      found = index;
  }
  return found;
}
