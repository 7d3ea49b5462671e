import { z } from 'zod';
import { unixMs } from './attempts.ts';
import { FLOW_ID } from './ids.ts';
import { jobSpec, shortName } from './job.ts';
import { type JobState, jobState, type TerminalState } from './states.ts';

const MOST_STEPS = 1000;
/** In all: what is looked at with every step that ends. */
const MOST_WAITS = 10_000;

/**
 * What a step asks of another: that it succeeded; that it failed, timed out or was lost; that it came to its end in
 * whatever way, left out included; that it succeeded and set its condition (`/executions/{id}/condition`) to true.
 */
export const stepWhen = z.enum(['succeeded', 'failed', 'always', 'condition']);
export type StepWhen = z.infer<typeof stepWhen>;

const WHEN = stepWhen.options.map((when) => JSON.stringify(when)).join(', ');

const flowStep = z.strictObject({
  name: shortName,
  job: jobSpec,
  /** All must hold. A step without any starts at once. */
  after: z
    .array(
      z.strictObject(
        { step: shortName, when: stepWhen.default('succeeded') },
        {
          error: ({ code }) =>
            code === 'invalid_type' ? `must be {"step": NAME}, with "when": ${WHEN} if need be` : undefined,
        },
      ),
    )
    .max(MOST_STEPS)
    .default([]),
});
export type FlowStep = z.output<typeof flowStep>;

/** A flow whose steps were checked against each other when it was accepted. */
const flowDefinition = z.strictObject({
  name: z.string().max(200).default(''),
  steps: z.array(flowStep).min(1).max(MOST_STEPS),
});

/** `POST /v1/flows`. Steps must not wait for each other in a circle. */
export const flowInput = flowDefinition.superRefine(({ steps }, context) => {
  const issue = (path: (string | number)[], message: string) =>
    context.addIssue({ code: 'custom', path, message });
  const waits = steps.reduce((sum, { after }) => sum + after.length, 0);
  if (waits > MOST_WAITS) {
    issue(['steps'], `wait for ${waits} others in all; ${MOST_WAITS} at most`);
    return;
  }
  const names = new Set<string>();
  for (const [index, { name }] of steps.entries()) {
    if (names.has(name)) issue(['steps', index, 'name'], 'is the name of another step too');
    names.add(name);
  }
  for (const [index, { after }] of steps.entries()) {
    for (const [at, { step }] of after.entries()) {
      if (!names.has(step)) issue(['steps', index, 'after', at, 'step'], 'is not the name of a step');
    }
  }
  if (context.issues.length > 0) return;
  const stuck = neverStarting(steps);
  if (stuck.length > 0) issue(['steps'], `wait for each other in a circle: ${stuck.join(', ')}`);
});
export type FlowInput = z.input<typeof flowInput>;
export type FlowDefinition = z.output<typeof flowInput>;

/** The names of steps that can never start, because they wait for each other, or for one that does. */
function neverStarting(steps: readonly FlowStep[]): string[] {
  const behind = behindEach(steps);
  const open = new Map(steps.map(({ name, after }) => [name, after.length]));
  const starting = steps.filter(({ after }) => after.length === 0);
  // Grows while it is gone through.
  for (const { name } of starting) {
    for (const next of behind.get(name) ?? []) {
      const left = (open.get(next.name) ?? 0) - 1;
      open.set(next.name, left);
      if (left === 0) starting.push(next);
    }
  }
  return [...open].flatMap(([name, left]) => (left > 0 ? [name] : []));
}

/** For each step those that wait for it, as often as they name it. */
function behindEach(steps: readonly FlowStep[]): ReadonlyMap<string, readonly FlowStep[]> {
  const behind = new Map<string, FlowStep[]>(steps.map(({ name }) => [name, []]));
  for (const step of steps) for (const wait of step.after) behind.get(wait.step)?.push(step);
  return behind;
}

/** What results needs to know of a flow that was accepted, a value of {@link Keys.flow}. */
export const flowRecord = z.strictObject({
  flowId: z.string().regex(FLOW_ID),
  tenant: z.string(),
  by: z.string(),
  definition: flowDefinition,
  traceId: z.string().regex(/^[0-9a-f]{32}$/),
  parentSpanId: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .optional(),
  acceptedAt: unixMs,
});
export type FlowRecord = z.infer<typeof flowRecord>;

/** `POST /v1/flows` -> 202. */
export const acceptedFlow = z.object({
  id: z.string(),
  traceId: z.string(),
  steps: z.array(z.object({ name: z.string(), jobId: z.string() })),
});
export type AcceptedFlow = z.infer<typeof acceptedFlow>;

/**
 * A step of a flow.
 *
 * ```text
 *   waiting ──> starting ──> started ──> ended
 *      │
 *      └──> skipped
 * ```
 *
 * `starting`: it is decided that its job runs, and the job may be in the queue. `started`: it is.
 */
export const stepState = z.enum(['waiting', 'starting', 'started', 'ended', 'skipped']);
export type StepState = z.infer<typeof stepState>;

/** What is known of a step when the flow is looked at. */
export interface StepFacts {
  readonly name: string;
  readonly state: StepState;
  /** How its job ended; null before. */
  readonly outcome: TerminalState | null;
  readonly condition: boolean | null;
}

/** What becomes of a step that waited. */
export interface StepDecision {
  readonly name: string;
  readonly state: 'starting' | 'skipped';
  /** Why it was left out. */
  readonly reason: string | null;
}

/** Decides what it can of the steps that wait. A step that is left out decides others in turn. */
export function decideSteps(definition: FlowDefinition, facts: readonly StepFacts[]): StepDecision[] {
  const known = new Map(facts.map((fact) => [fact.name, fact]));
  const behind = behindEach(definition.steps);
  const decisions: StepDecision[] = [];
  const look = [...definition.steps];
  // Grows while it is gone through.
  for (const step of look) {
    const fact = known.get(step.name);
    if (fact?.state !== 'waiting') continue;
    const decision = decideStep(step, known);
    if (decision === undefined) continue;
    decisions.push(decision);
    known.set(step.name, { ...fact, state: decision.state });
    if (decision.state === 'skipped') look.push(...(behind.get(step.name) ?? []));
  }
  return decisions;
}

function decideStep(
  { name, after }: FlowStep,
  known: ReadonlyMap<string, StepFacts>,
): StepDecision | undefined {
  let open = false;
  for (const { step, when } of after) {
    const fact = known.get(step);
    if (fact === undefined || (fact.state !== 'ended' && fact.state !== 'skipped')) open = true;
    else if (!holds(fact, when)) return { name, state: 'skipped', reason: reasonOf(fact, when) };
  }
  return open ? undefined : { name, state: 'starting', reason: null };
}

const FAILURES: readonly (JobState | null)[] = ['failed', 'timed_out', 'lost'];

function holds({ state, outcome, condition }: StepFacts, when: StepWhen): boolean {
  if (when === 'always') return true;
  if (state === 'skipped') return false;
  if (when === 'failed') return FAILURES.includes(outcome);
  return outcome === 'succeeded' && (when === 'succeeded' || condition === true);
}

function reasonOf({ name, state, outcome, condition }: StepFacts, when: StepWhen): string {
  if (state === 'skipped') return `${name} was left out`;
  if (when === 'condition' && outcome === 'succeeded') {
    return condition === null ? `${name} set no condition` : `${name} set its condition to false`;
  }
  return `${name} ${outcome}`;
}

/**
 * How a flow ended whose steps have all ended or were left out: well when every step that did not succeed has one behind
 * it that was there for it (`failed` or `always`) and succeeded.
 */
export function flowOutcome(definition: FlowDefinition, facts: readonly StepFacts[]): 'succeeded' | 'failed' {
  const outcomes = new Map(facts.map(({ name, outcome }) => [name, outcome]));
  const handled = (failed: string) =>
    definition.steps.some(
      ({ name, after }) =>
        outcomes.get(name) === 'succeeded' &&
        after.some(({ step, when }) => step === failed && (when === 'failed' || when === 'always')),
    );
  const bad = facts.filter(({ state, outcome }) => state === 'ended' && outcome !== 'succeeded');
  return bad.every(({ name }) => handled(name)) ? 'succeeded' : 'failed';
}

const isoTime = z.iso.datetime().nullable();

export const flowState = z.enum(['running', 'succeeded', 'failed', 'cancelled']);
export type FlowState = z.infer<typeof flowState>;

/** One row of `GET /v1/flows`. */
export const flowSummary = z.object({
  id: z.string(),
  name: z.string(),
  state: flowState,
  traceId: z.string(),
  steps: z.int(),
  /** Ended or left out. */
  done: z.int(),
  createdAt: isoTime,
  endedAt: isoTime,
});
export type FlowSummary = z.infer<typeof flowSummary>;

export const flowPage = z.object({ flows: z.array(flowSummary), cursor: z.string().nullable() });
export type FlowPage = z.infer<typeof flowPage>;

/** `GET /v1/flows/{id}`. */
export const flowView = flowSummary.omit({ steps: true }).extend({
  steps: z.array(
    z.object({
      name: z.string(),
      after: z.array(z.object({ step: z.string(), when: stepWhen })),
      state: stepState,
      jobId: z.string(),
      /** The job's own state; null before it is in the queue. */
      jobState: jobState.nullable(),
      condition: z.boolean().nullable(),
      /** Why it was left out. */
      reason: z.string().nullable(),
    }),
  ),
});
export type FlowView = z.infer<typeof flowView>;
