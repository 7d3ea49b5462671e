import { signal } from '@preact/signals';

/** The time of now, for what shows ages and running times; it moves once a second, and not while nobody looks. */
export const now = signal(Date.now());

setInterval(() => {
  if (document.visibilityState === 'visible') now.value = Date.now();
}, 1000);
