import type { JSX } from 'preact';

export default function TracesPage(): JSX.Element {
  return <h1>Traces</h1>;
}
