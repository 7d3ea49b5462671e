import type { ComponentChildren, JSX } from 'preact';
import { Loading, Problem } from './notices.tsx';

/** A list as far as it was read. */
interface ListRead {
  readonly error: unknown;
  refetch(): unknown;
}

/** A list in its card: it cannot be read, is not there yet, is empty, or is there. */
export function Listed<T>({
  label,
  items,
  read,
  problem,
  empty,
  head,
  busy,
  rows = 4,
  children,
}: {
  label: string;
  /** Undefined while they are not there. */
  items: readonly T[] | undefined;
  read: ListRead;
  /** What to say when it cannot be read. */
  problem: string;
  /** What to show when there is none. */
  empty: JSX.Element;
  /** Stands above the list in its card. */
  head?: ComponentChildren;
  /** What is shown is about to be replaced. */
  busy?: boolean;
  rows?: number;
  children: (items: readonly T[]) => JSX.Element;
}): JSX.Element {
  const failed = read.error !== null;
  return (
    <>
      {failed && <Problem what={problem} error={read.error} onRetry={() => void read.refetch()} />}
      <section class="card" aria-label={label} aria-busy={busy}>
        {head}
        {items === undefined
          ? !failed && <Loading rows={rows} />
          : items.length === 0
            ? empty
            : children(items)}
      </section>
    </>
  );
}
