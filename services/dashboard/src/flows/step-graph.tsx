import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import { Badge } from '../parts/state.tsx';
import { layOut, type PlacedStep, STEP_HEIGHT, STEP_WIDTH } from './layout.ts';
import { jobHref, type Step, stepLook } from './step-state.ts';

/** A flow's steps and what they wait for, from left to right. The table below it says the same in words. */
export function StepGraph({ steps }: { steps: readonly Step[] }): JSX.Element | null {
  const shape = JSON.stringify(steps.map(({ name, after }) => [name, after]));
  const layout = useMemo(() => layOut(steps), [shape]);
  if (layout === undefined) return null;
  const byName = new Map(steps.map((step) => [step.name, step]));
  return (
    <section class="card flow-scroll" tabIndex={0} aria-label="Graph of the steps">
      <div class="flow-graph" style={{ width: `${layout.width}px`, height: `${layout.height}px` }}>
        <svg width={layout.width} height={layout.height} aria-hidden="true">
          {layout.edges.map(({ from, to, label, path }) => (
            <path key={`${from} ${to}`} d={path} data-when={label} data-out={isOut(byName.get(to))} />
          ))}
        </svg>
        {layout.edges.map(({ from, to, label, x, y }) => (
          <span
            key={`${from} ${to}`}
            class="flow-when"
            data-when={label}
            aria-hidden="true"
            style={{ left: `${x}px`, top: `${y}px` }}
          >
            {label}
          </span>
        ))}
        <ul>
          {layout.steps.map((place) => {
            const step = byName.get(place.name);
            return step && <StepBox key={place.name} step={step} place={place} />;
          })}
        </ul>
      </div>
    </section>
  );
}

function isOut(step: Step | undefined): boolean {
  return step?.state === 'skipped';
}

function StepBox({ step, place }: { step: Step; place: PlacedStep }): JSX.Element {
  const href = jobHref(step);
  const style = {
    left: `${place.x}px`,
    top: `${place.y}px`,
    width: `${STEP_WIDTH}px`,
    height: `${STEP_HEIGHT}px`,
  };
  const content = (
    <>
      <span class="flow-name" title={step.name}>
        {step.name}
      </span>
      <Badge look={stepLook(step)} />
    </>
  );
  return (
    <li class="flow-step" style={style} data-out={isOut(step)}>
      {href === undefined ? <div>{content}</div> : <a href={href}>{content}</a>}
    </li>
  );
}
