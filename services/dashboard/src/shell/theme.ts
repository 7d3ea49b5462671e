import { signal } from '@preact/signals';

type Theme = 'light' | 'dark';

const KEPT = 'cronium.theme';
const kept = localStorage.getItem(KEPT);
const system = window.matchMedia('(prefers-color-scheme: dark)');

/** What the person chose; undefined: as the system has it. */
const chosen = signal<Theme | undefined>(kept === 'light' || kept === 'dark' ? kept : undefined);
const systemDark = signal(system.matches);
system.addEventListener('change', ({ matches }) => {
  systemDark.value = matches;
});

/** The theme that is shown. */
export function theme(): Theme {
  return chosen.value ?? (systemDark.value ? 'dark' : 'light');
}

export function toggleTheme(): void {
  chosen.value = theme() === 'dark' ? 'light' : 'dark';
  localStorage.setItem(KEPT, chosen.value);
}

chosen.subscribe((value) => {
  if (value === undefined) document.documentElement.removeAttribute('data-theme');
  else document.documentElement.dataset.theme = value;
});
