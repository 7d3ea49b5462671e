import type { JSX } from 'preact';

export default function SettingsPage(): JSX.Element {
  return <h1>Settings</h1>;
}
