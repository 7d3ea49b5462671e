import type { Page } from 'playwright-core';

const MOST_TRIES = 10;

/** What Chromium says of all that it loads at a moment when a network of the machine comes or goes, as those of jobs do. */
const NETWORK_CHANGED = 'ERR_NETWORK_CHANGED';

/** Opens an address; again when the networks of the machine changed meanwhile, because then the page may lack its script. */
export async function visit(page: Page, url: string): Promise<void> {
  let changed = false;
  const look = (request: { failure(): { errorText: string } | null }) => {
    changed ||= request.failure()?.errorText.includes(NETWORK_CHANGED) ?? false;
  };
  page.on('requestfailed', look);
  for (let tries = 1; tries <= MOST_TRIES; tries++) {
    changed = false;
    await page.goto(url).catch((error: unknown) => {
      if (!String(error).includes(NETWORK_CHANGED) || tries === MOST_TRIES) throw error;
      changed = true;
    });
    if (!changed) break;
    // A second time the same address would be a step within the page, not a load.
    await page.goto('about:blank');
  }
  page.off('requestfailed', look);
}
