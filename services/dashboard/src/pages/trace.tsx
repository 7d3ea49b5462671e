import type { JSX } from 'preact';

export default function TracePage(): JSX.Element {
  return <h1>Trace</h1>;
}
