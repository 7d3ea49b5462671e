import type { JSX } from 'preact';
import { lazy } from 'preact-iso';
import { Problem } from '../parts/notices.tsx';

type Page = () => JSX.Element;

/**
 * A page that is loaded when it is gone to. It cannot be when the connection broke, or after an upgrade, which renames the
 * files: then it says so, and the whole site is loaded anew on demand.
 */
export function page(load: () => Promise<{ readonly default: Page }>): Page {
  return lazy<Page>(() =>
    load().catch((error: unknown) => ({
      default: () => (
        <Problem what="This page could not be loaded." error={error} onRetry={() => location.reload()} />
      ),
    })),
  );
}
