import type { ComponentChildren, JSX } from 'preact';
import { messageOf } from '../data/session.ts';

/** Nothing is here, and what to do about it. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }): JSX.Element {
  return (
    <div class="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** What went wrong, and a way to try again. */
export function Problem({
  error,
  what,
  onRetry,
}: {
  error: unknown;
  what: string;
  onRetry?: () => void;
}): JSX.Element {
  return (
    <div class="problem" role="alert">
      <div class="grow">
        <strong>{what}</strong> <span>{messageOf(error)}</span>
      </div>
      {onRetry !== undefined && (
        <button type="button" class="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Stands where content will be. */
export function Loading({ rows = 4 }: { rows?: number }): JSX.Element {
  return (
    <div class="card-body stack" role="status">
      <span class="hidden-label">Loading</span>
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} class="skeleton" />
      ))}
    </div>
  );
}
