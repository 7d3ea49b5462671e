import type { WebhookView } from '@cronium/contracts';

const WORDS: Readonly<Record<WebhookView['state'], string>> = {
  delivered: 'delivered',
  waiting: 'not delivered yet',
  failed: 'given up',
};

/** What became of a webhook, for people: `not delivered yet, 2 tries: answered 503`. */
export function webhookText({ state, tries, lastError }: WebhookView): string {
  const tried = tries === 0 ? '' : `, ${tries} ${tries === 1 ? 'try' : 'tries'}`;
  const why = state === 'delivered' || lastError === undefined ? '' : `: ${lastError}`;
  return `${WORDS[state]}${tried}${why}`;
}
