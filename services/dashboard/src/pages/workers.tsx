import type { JSX } from 'preact';

export default function WorkersPage(): JSX.Element {
  return <h1>Workers</h1>;
}
