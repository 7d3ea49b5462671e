import type { JSX } from 'preact';
import type { AddressQuery } from '../data/address.ts';

/** The ways through a list that is read page by page; the place stands in the address as `cursor`. */
export function Pager({
  of,
  address: { query, href },
  next,
}: {
  /** What the pages hold, for readers. */
  of: string;
  address: AddressQuery;
  /** The cursor behind this page; null on the last one. */
  next: string | null | undefined;
}): JSX.Element | null {
  const isFirst = !query.has('cursor');
  if (isFirst && next == null) return null;
  return (
    <nav class="pages row end" aria-label={`Pages of ${of}`}>
      {!isFirst && (
        <>
          <a class="button" href={href({ cursor: undefined })}>
            Newest
          </a>
          <button type="button" class="button" onClick={() => window.history.back()}>
            Newer
          </button>
        </>
      )}
      {next != null && (
        <a class="button" href={href({ cursor: next })}>
          Older
        </a>
      )}
    </nav>
  );
}
