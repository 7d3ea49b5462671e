import type { JSX } from 'preact';
import { lazy } from 'preact-iso';
import { Problem } from '../parts/notices.tsx';

type Page = () => JSX.Element;

/** When the site was last loaded anew because a page could not be had, Unix ms. */
const LOADED_ANEW = 'loadedAnew';
/** Once more would not help then. */
const APART_MS = 30_000;

/**
 * A page that is loaded when it is gone to. It cannot be when the connection broke, or after an upgrade, which renames the
 * files: then the whole site is loaded anew, once, and if that did not help it says so.
 */
export function page(load: () => Promise<{ readonly default: Page }>): Page {
  return lazy<Page>(() =>
    load().catch((error: unknown) => {
      if (mayLoadAnew()) {
        location.reload();
        return new Promise<never>(() => undefined);
      }
      return {
        default: () => (
          <Problem what="This page could not be loaded." error={error} onRetry={() => location.reload()} />
        ),
      };
    }),
  );
}

function mayLoadAnew(): boolean {
  const now = Date.now();
  if (now - Number(sessionStorage.getItem(LOADED_ANEW) ?? 0) < APART_MS) return false;
  sessionStorage.setItem(LOADED_ANEW, String(now));
  return true;
}
