import { z } from 'zod';
import { terminalState } from './states.ts';

/** Why an attempt ended unusually: a closed set. */
export const DEATH_CAUSES = [
  'exit',
  'signal',
  'oom',
  'timed_out',
  'cancelled',
  'killed',
  'daemon',
  'node_lost',
  'fenced',
  'sidecar',
  'image',
  'setup',
  'disk',
] as const;
export const deathCause = z.enum(DEATH_CAUSES);
export type DeathCause = z.infer<typeof deathCause>;

export const DEATH_PHASES = ['setup', 'preTask', 'main', 'preparing', 'draining'] as const;
export type DeathPhase = (typeof DEATH_PHASES)[number];

export const deathEvidence = z.looseObject({
  oomKilled: z.boolean().optional(),
  oomKills: z.int().optional(),
  /** As it was last read while the container lived: it may have been more at the end. */
  memoryPeakBytes: z.number().optional(),
  memoryLimitBytes: z.number().optional(),
  events: z.array(z.json()).default([]),
  logTail: z.array(z.string()).default([]),
  host: z.record(z.string(), z.json()).default({}),
});

/** What killed an attempt, how sure that is, in which phase, and the evidence (DESIGN section 4). */
export const deathRecord = z.strictObject({
  attempt: z.int().min(1),
  cause: deathCause,
  certainty: z.enum(['certain', 'likely', 'unknown']),
  phase: z.enum(DEATH_PHASES),
  exitCode: z.int().nullable(),
  signal: z.string().nullable(),
  /** One sentence for a person: what happened, and what to do. */
  message: z.string(),
  evidence: deathEvidence,
  at: z.iso.datetime(),
});
export type DeathRecord = z.infer<typeof deathRecord>;

/** How an attempt ended. `death` is there exactly when the state is not `succeeded`. */
export const outcome = z.strictObject({
  state: terminalState,
  exitCode: z.int().nullable(),
  death: deathRecord.nullable(),
  /** Things worth knowing of an attempt that succeeded all the same, such as a child that was killed for memory. */
  evidence: deathEvidence.optional(),
});
export type Outcome = z.infer<typeof outcome>;
