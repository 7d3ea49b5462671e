import { expect, test } from 'vitest';
import { webhookText } from './webhook-text.ts';

test.each([
  [{ state: 'delivered', tries: 2, lastError: 'answered 503' }, 'delivered, 2 tries'],
  [{ state: 'waiting', tries: 0 }, 'not delivered yet'],
  [{ state: 'waiting', tries: 1, lastError: 'answered 503' }, 'not delivered yet, 1 try: answered 503'],
  [{ state: 'failed', tries: 16, lastError: 'no answer' }, 'given up, 16 tries: no answer'],
] as const)('%j is told as "%s"', (view, text) => {
  expect(webhookText(view)).toBe(text);
});
