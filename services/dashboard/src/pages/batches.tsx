import type { JSX } from 'preact';

export default function BatchesPage(): JSX.Element {
  return <h1>Batches</h1>;
}
