import type { JobView } from '@cronium/contracts';
import { shown } from './figure.ts';
import { median } from './measure.ts';

/** The pairs of moments that make a job's phases, in their order. */
const PHASES: readonly (readonly [name: string, from: string, to: string])[] = [
  ['claim', 'claimed', 'network_started'],
  ['slot', 'network_started', 'network_ended'],
  ['image', 'image_started', 'image_ended'],
  ['sidecar', 'sidecar_started', 'sidecar_ended'],
  ['create', 'create_started', 'create_ended'],
  ['start', 'start_started', 'start_ended'],
  ['send', 'start_ended', 'main_started'],
  ['first byte', 'main_started', 'first_byte'],
  ['run', 'main_started', 'main_ended'],
  ['drain', 'drain_started', 'drain_ended'],
  ['teardown', 'teardown_started', 'teardown_ended'],
];

/** The median of each phase, and its share of the time from the claim to the end of the teardown. */
export function phaseTable(jobs: readonly JobView[]): string {
  const timelines = jobs.map(({ attemptList }) => {
    const entries = attemptList[0]?.timeline ?? [];
    return new Map(entries.map(({ moment, at }) => [String(moment), Number(at)]));
  });
  const between = (from: string, to: string) =>
    median(
      timelines.flatMap((at) => {
        const milliseconds = (at.get(to) ?? Number.NaN) - (at.get(from) ?? Number.NaN);
        return Number.isNaN(milliseconds) ? [] : [milliseconds];
      }),
    );
  const whole = between('claimed', 'teardown_ended');
  const rows = PHASES.map(([name, from, to]) => {
    const milliseconds = between(from, to);
    return `${name.padEnd(12)} ${shown(milliseconds).padStart(6)} ms  ${shown((100 * milliseconds) / whole).padStart(5)} %`;
  });
  return [...rows, `${'all'.padEnd(12)} ${shown(whole).padStart(6)} ms`].join('\n');
}
