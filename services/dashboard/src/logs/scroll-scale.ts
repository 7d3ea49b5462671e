/** What a scrolling list of equal rows is made of. */
export interface ScrollSizes {
  readonly rows: number;
  readonly rowHeight: number;
  /** The visible height. */
  readonly view: number;
}

/** Browsers cap an element's height (Firefox near 17.8 million pixels, Chromium near 33.5 million). */
export const TALLEST = 8_000_000;

/** The height of the scrolled content: the rows' own, unless no browser can show that. */
export function contentHeight({ rows, rowHeight, view }: ScrollSizes): number {
  return Math.max(view, Math.min(TALLEST, rows * rowHeight));
}

/** How far the rows can be moved up, in pixels of the rows themselves. */
export function furthest({ rows, rowHeight, view }: ScrollSizes): number {
  return Math.max(0, rows * rowHeight - view);
}

/** The scroll position that stands for a position among the rows. */
export function scrollTopOf(offset: number, sizes: ScrollSizes): number {
  const range = contentHeight(sizes) - sizes.view;
  const far = furthest(sizes);
  return far === 0 ? 0 : (offset / far) * range;
}

/**
 * Where among the rows a scroll leads. A small movement (a wheel, a key, a finger) moves the rows by as many pixels; a
 * large one (the scroll bar) goes to the same share of the rows. Both ends are always reached.
 */
export function offsetAfterScroll(
  before: { readonly offset: number; readonly scrollTop: number },
  scrollTop: number,
  sizes: ScrollSizes,
): number {
  const range = contentHeight(sizes) - sizes.view;
  const far = furthest(sizes);
  if (scrollTop <= 0) return 0;
  if (scrollTop >= range - 1) return far;
  const moved = scrollTop - before.scrollTop;
  const isSmall = Math.abs(moved) < sizes.view * 2;
  const offset = isSmall || range === far ? before.offset + moved : (scrollTop / range) * far;
  return Math.min(far, Math.max(0, offset));
}
