import type { RefObject } from 'preact';
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { contentHeight, furthest, offsetAfterScroll, type ScrollSizes, scrollTopOf } from './scroll-scale.ts';

/** The rows that are seen now, and where they stand. */
export interface RowsWindow {
  readonly first: number;
  readonly last: number;
  /** Pixels that the first row stands above the visible top. */
  readonly shift: number;
  readonly contentHeight: number;
  readonly view: number;
  /** Is the end in sight? */
  readonly atEnd: boolean;
  scrollToRow(row: number, options?: { centre?: boolean }): void;
  scrollToEnd(): void;
  readonly onScroll: () => void;
}

/**
 * Shows a window of very many rows of one height. The scrolled element's content is only as tall as a browser can take;
 * the rows are drawn in a layer that stays in sight.
 * @param stick keeps the end in sight while rows are added
 */
export function useRowsWindow(
  scroller: RefObject<HTMLElement>,
  { rows, rowHeight, stick }: { rows: number; rowHeight: number; stick: boolean },
): RowsWindow {
  const [view, setView] = useState(400);
  const [offset, setOffset] = useState(0);
  const at = useRef({ offset: 0, scrollTop: 0 });
  const sizes: ScrollSizes = { rows, rowHeight, view };
  const sizesNow = useRef(sizes);
  sizesNow.current = sizes;
  const far = furthest(sizes);
  const seen = Math.min(far, stick ? far : offset);

  const goTo = useCallback((next: number) => {
    const element = scroller.current;
    const bounded = Math.min(furthest(sizesNow.current), Math.max(0, next));
    const scrollTop = scrollTopOf(bounded, sizesNow.current);
    if (element !== null) element.scrollTop = scrollTop;
    at.current = { offset: bounded, scrollTop: element?.scrollTop ?? scrollTop };
    setOffset(bounded);
  }, []);

  useLayoutEffect(() => {
    if (stick) goTo(far);
  }, [stick, far]);

  useEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => setView(element.clientHeight));
    observer.observe(element);
    setView(element.clientHeight);
    return () => observer.disconnect();
  }, []);

  const onScroll = useCallback(() => {
    const element = scroller.current;
    if (element === null || Math.abs(element.scrollTop - at.current.scrollTop) < 0.5) return;
    const next = offsetAfterScroll(at.current, element.scrollTop, sizesNow.current);
    at.current = { offset: next, scrollTop: element.scrollTop };
    setOffset(next);
  }, []);

  const first = Math.floor(seen / rowHeight);
  return {
    first,
    last: Math.min(rows - 1, Math.ceil((seen + view) / rowHeight)),
    shift: seen - first * rowHeight,
    contentHeight: contentHeight(sizes),
    view,
    atEnd: seen >= far - rowHeight,
    scrollToRow: (row, { centre = true } = {}) =>
      goTo(row * rowHeight - (centre ? (view - rowHeight) / 2 : 0)),
    scrollToEnd: () => goTo(furthest(sizesNow.current)),
    onScroll,
  };
}
