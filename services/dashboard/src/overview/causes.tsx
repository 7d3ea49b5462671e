import type { OverviewView } from '@cronium/contracts';
import type { JSX } from 'preact';
import { count } from '../format/numbers.ts';
import { Empty } from '../parts/notices.tsx';

/** What failures had for a cause. */
export function Causes({ causes }: { causes: OverviewView['causes'] }): JSX.Element {
  const most = Math.max(1, ...causes.map(({ jobs }) => jobs));
  return (
    <section class="card" aria-labelledby="causes">
      <div class="card-head">
        <h2 id="causes">Why jobs did not end well</h2>
      </div>
      {causes.length === 0 ? (
        <Empty title="Nothing to explain">
          <p>Every job of this time ended well.</p>
        </Empty>
      ) : (
        <ul class="card-body causes">
          {causes.map(({ state, cause, jobs }) => (
            <li key={`${state} ${cause}`}>
              <a href={`/jobs?state=${state}`}>{causeLabel(state, cause)}</a>
              <span class="number">{count(jobs)}</span>
              <div class="meter" aria-hidden="true">
                <span style={{ width: `${(jobs / most) * 100}%`, background: `var(--fill-${state})` }} />
              </div>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

/** `exit` as people call it. */
export function causeLabel(state: string, cause: string | null): string {
  switch (cause) {
    case null:
      return state.replaceAll('_', ' ');
    case 'exit':
      return 'The script exited with an error';
    case 'oom':
      return 'Out of memory';
    case 'signal':
      return 'The process died of a signal';
    case 'node_lost':
      return 'The node was lost';
    case 'image':
      return 'The image could not be had';
    default:
      return cause.charAt(0).toUpperCase() + cause.slice(1).replaceAll('_', ' ');
  }
}
