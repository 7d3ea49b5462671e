import type { JSX } from 'preact';

/** Line icons of 16 by 16. They stand beside text that says the same, so that readers skip them. */
const PATHS = {
  overview: 'M2 13h12M4 10V7m4 3V3m4 7V5',
  jobs: 'M2.5 4h11M2.5 8h11M2.5 12h7',
  batches: 'M3 3h4v4H3zM9 3h4v4H9zM3 9h4v4H3zM9 9h4v4H9z',
  flows: 'M2 6h4v4H2zM10 2h4v4h-4zM10 10h4v4h-4zM6 8h2m2-4H8v8h2',
  schedules: 'M3 4h10v9H3zM3 7h10M5.5 2.5V5M10.5 2.5V5',
  audit: 'M4 2h8v12H4zM6.5 5.5h3M6.5 8h3M6.5 10.5h3',
  traces: 'M2 4h7M5 8h8M7 12h5',
  workers: 'M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.01M5 11h.01',
  settings: 'M6.5 9.5l6-6m-2 0h2v2M6.5 9.5a2.5 2.5 0 1 1-2-2 2.5 2.5 0 0 1 2 2z',
  menu: 'M2 4h12M2 8h12M2 12h12',
  search: 'M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM11 11l3 3',
  up: 'M4 10l4-4 4 4',
  down: 'M4 6l4 4 4-4',
  right: 'M6 4l4 4-4 4',
  copy: 'M6 6h7v7H6zM10 6V3H3v7h3',
  done: 'M3 8.5l3.2 3.2L13 5',
  download: 'M8 2v8m0 0L5 7m3 3l3-3M3 13h10',
  sun: 'M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1',
  moon: 'M13 9.5A5.5 5.5 0 0 1 6.5 3a5.5 5.5 0 1 0 6.5 6.5z',
  stop: 'M4 4h8v8H4z',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  resume: 'M5 3l7 5-7 5z',
  remove: 'M3 4.5h10M6 4.5V3h4v1.5M4.5 4.5l.5 9h6l.5-9',
  retry: 'M13 8a5 5 0 1 1-1.6-3.7M13 2v3h-3',
  follow: 'M8 2v9m0 0L4.5 7.5M8 11l3.5-3.5M3 14h10',
  leave: 'M6 3H3v10h3M7 8h7m0 0l-2.5-2.5M14 8l-2.5 2.5',
  queued: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 5v3.2l2 1.3',
  moving: 'M8 2a6 6 0 1 1-6 6',
  succeeded: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM5.5 8.2l1.8 1.8 3.2-3.6',
  failed: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM6 6l4 4m0-4l-4 4',
  cancelled: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM5 8h6',
  lost: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM6.3 6.4a1.8 1.8 0 1 1 2.5 1.7c-.5.2-.8.5-.8 1M8 11.2h.01',
  close: 'M4 4l8 8m0-8l-8 8',
  zoomOut: 'M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM11 11l3 3M5 7h4',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }): JSX.Element {
  return (
    <svg viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.5" aria-hidden="true">
      <path d={PATHS[name]} stroke-linecap="round" stroke-linejoin="round" />
    </svg>
  );
}
