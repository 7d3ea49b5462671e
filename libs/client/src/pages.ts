const PAGE_SIZE = 100;

/** A page of a list; the cursor is null on the last one. */
interface Page<T> {
  readonly entries: readonly T[];
  readonly cursor: string | null;
}

/** The first entries of a list, at most `limit`; pages are fetched as they are needed. */
export async function* entriesOf<T>(
  limit: number,
  fetchPage: (page: { limit: number; cursor: string | undefined }) => Promise<Page<T>>,
): AsyncGenerator<T> {
  let cursor: string | undefined;
  for (let left = limit; left > 0; ) {
    const page = await fetchPage({ limit: Math.min(left, PAGE_SIZE), cursor });
    yield* page.entries;
    if (page.cursor === null) return;
    cursor = page.cursor;
    left -= page.entries.length;
  }
}
