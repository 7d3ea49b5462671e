import type { JSX } from 'preact';

export default function OverviewPage(): JSX.Element {
  return <h1>Overview</h1>;
}
