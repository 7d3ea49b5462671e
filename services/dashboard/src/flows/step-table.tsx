import type { JSX } from 'preact';
import { Badge } from '../parts/state.tsx';
import { jobHref, type Step, stepLook } from './step-state.ts';

/** All that is known of a flow's steps. */
export function StepTable({ steps }: { steps: readonly Step[] }): JSX.Element {
  return (
    <section class="card" aria-labelledby="steps">
      <div class="card-head">
        <h2 id="steps">Steps</h2>
      </div>
      <div class="table-scroll">
        <table class="table">
          <thead>
            <tr>
              <th scope="col">Step</th>
              <th scope="col">State</th>
              <th scope="col">Waits for</th>
              <th scope="col">Note</th>
            </tr>
          </thead>
          <tbody>
            {steps.map((step) => (
              <tr key={step.name}>
                <td class="name">
                  <StepName step={step} />
                </td>
                <td>
                  <Badge look={stepLook(step)} />
                </td>
                <td>
                  <span class="chips">
                    {step.after.map(({ step: other, when }) => (
                      <span class="chip" key={`${other} ${when}`}>
                        {other}
                        <span class="muted">{when}</span>
                      </span>
                    ))}
                  </span>
                </td>
                <td class="muted">{step.reason ?? conditionNote(step)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function StepName({ step }: { step: Step }): JSX.Element {
  const href = jobHref(step);
  if (href === undefined) return <>{step.name}</>;
  return (
    <>
      <a href={href}>{step.name}</a>
      <small class="mono">{step.jobId}</small>
    </>
  );
}

function conditionNote({ condition }: Step): string {
  return condition === null ? '' : `set its condition to ${condition}`;
}
