import type { BatchFailures, BatchView } from '@cronium/contracts';
import { duration, type Paint, paintState, plain } from '../render/index.ts';

type Group = BatchFailures['groups'][number];

const GROUPS_SHOWN = 3;

/** How a batch stands, with the most frequent ways in which its jobs did not succeed. */
export function batchSummary(view: BatchView, groups: readonly Group[], paint: Paint): string[] {
  const states = Object.entries(view.counts).filter(([, count]) => count > 0);
  const bad = (['failed', 'timed_out', 'lost'] as const).filter((state) => view.counts[state] > 0);
  const { p50, p95, p99 } = view.percentiles;
  return [
    `${paint('bold', titleOf(view))}  ${standing(view)}`,
    ...(view.rejected > 0
      ? [`  ${count(view.rejected, 'line was', 'lines were')} refused at the submit`]
      : []),
    ...states.map(([state, jobs]) => `  ${paintState(paint, state)} ${jobs}`),
    ...(p50 === null
      ? []
      : [`  run time p50 ${duration(p50)}, p95 ${duration(p95 ?? p50)}, p99 ${duration(p99 ?? p50)}`]),
    ...groups.slice(0, GROUPS_SHOWN).flatMap((group) => groupLines(group, paint)),
    ...(groups.length > GROUPS_SHOWN
      ? [`  … all ${groups.length} kinds of ends: cronium why ${view.id}`]
      : []),
    ...(bad.length > 0 ? [`  Which: cronium jobs --batch ${view.id} --state ${bad.join(',')}`] : []),
  ];
}

/** A job that waits, and why. */
export interface WaitingJob {
  readonly id: string;
  readonly explanation: string;
}

/** Why jobs of a batch did not succeed, or that none did not; and why others wait. */
export function batchExplanation(
  view: BatchView,
  { groups, waits }: { readonly groups: readonly Group[]; readonly waits: WaitingJob | undefined },
  paint: Paint,
): string[] {
  const waiting =
    waits === undefined
      ? []
      : [
          `  ${view.counts.queued} ${paintState(paint, 'queued')}`,
          `    for example ${waits.id}: ${plain(waits.explanation)}`,
        ];
  const head = [`${paint('bold', titleOf(view))}  ${standing(view)}`, ...waiting];
  if (groups.length === 0) {
    const others = view.ended < view.total ? `; the others: cronium jobs --batch ${view.id}` : '';
    return [
      ...head,
      view.ended === 0 ? `  No job has ended${others}` : `  All that ended succeeded${others}`,
    ];
  }
  const states = [...new Set(groups.map(({ state }) => state))];
  return [
    ...head,
    ...groups.flatMap((group) => groupLines(group, paint)),
    ...states.map((state) => `  Again, all that are ${state}: cronium retry ${view.id} --state ${state}`),
  ];
}

function titleOf({ id, name }: BatchView): string {
  return name === null ? id : `${id} (${plain(name)})`;
}

function standing({ ended, total, complete }: BatchView): string {
  return `${ended}/${total} ended${complete ? '' : ', lines are still coming'}`;
}

/** How many ended so, what their newest says, and where to look further. */
function groupLines({ state, cause, exitCode, jobs, message, examples }: Group, paint: Paint): string[] {
  const how = [cause, exitCode === null ? null : `exit code ${exitCode}`].filter((part) => part !== null);
  const named = examples.map(({ id, name }) => (name === '' || name === id ? id : `${id} (${plain(name)})`));
  const [newest] = examples;
  return [
    `  ${jobs} ${paintState(paint, state)}${how.length === 0 ? '' : `: ${how.join(', ')}`}`,
    ...(message === null ? [] : [`    ${plain(message)}`]),
    ...(named.length === 0 ? [] : [`    for example ${named.join(', ')}`]),
    ...(newest === undefined ? [] : [`    the evidence: cronium death ${newest.id}`]),
  ];
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}
