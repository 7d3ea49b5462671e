import type { AttemptView } from '@cronium/contracts';
import { ATTEMPT_SPANS, SPAN } from '@cronium/contracts/spans';

/** A phase of an attempt; `to` is null while it goes on. */
export interface Phase {
  readonly name: string;
  readonly from: number;
  readonly to: number | null;
  readonly colour: string;
}

/** Colours by what the time was spent on: waiting, preparing, the job's own work, tidying up. */
const COLOURS: Readonly<Record<string, string>> = {
  [SPAN.queueWait]: '--fill-queued',
  [SPAN.setup]: '--phase-setup',
  [SPAN.preTask]: '--phase-pre',
  [SPAN.run]: '--fill-running',
  [SPAN.drain]: '--fill-draining',
  [SPAN.teardown]: '--fill-cancelled',
};

/** The phases of an attempt in their order, from its recorded moments. */
export function phasesOf(attempt: AttemptView, waitsSince: number | null): Phase[] {
  const at = new Map(attempt.timeline.map(({ moment, at }) => [moment, at]));
  const claimed = at.get('claimed');
  const endedMs = attempt.endedAt === null ? null : Date.parse(attempt.endedAt);
  const phases = ATTEMPT_SPANS.filter(
    ({ parent, name }) => parent === SPAN.attempt && name !== SPAN.firstByte,
  ).flatMap(({ name, begins, ends }): Phase[] => {
    const from = at.get(begins);
    if (from === undefined) return [];
    return [{ name, from, to: at.get(ends) ?? endedMs, colour: COLOURS[name] ?? '--fill-claimed' }];
  });
  if (waitsSince === null || claimed === undefined) return phases;
  return [{ name: SPAN.queueWait, from: waitsSince, to: claimed, colour: '--fill-queued' }, ...phases];
}
