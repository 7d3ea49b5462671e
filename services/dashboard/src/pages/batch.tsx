import type { JSX } from 'preact';

export default function BatchPage(): JSX.Element {
  return <h1>Batch</h1>;
}
