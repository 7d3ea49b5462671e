/** What runs while things break. */
export const LOADS = ['mixed', 'logs'] as const;
export type LoadName = (typeof LOADS)[number];

/** One round to be run. */
export interface RoundPlan {
  readonly seed: number;
  readonly durationMs: number;
  readonly load: LoadName;
}

/** The environment in which `npm run chaos` runs the rounds; without it the short round of `npm test` is meant. */
export const CHAOS_VARIABLES = {
  minutes: 'CHAOS_MINUTES',
  seed: 'CHAOS_SEED',
  rounds: 'CHAOS_ROUNDS',
  load: 'CHAOS_LOAD',
} as const;

const SHORT_MS = 15_000;
const SHORT_SEED = 1;

/** Reads which rounds are to be run, one after the other: those of the seeds, and of so many after the last of them. */
export function roundsFrom(env: Readonly<Record<string, string | undefined>>): {
  readonly rounds: readonly RoundPlan[];
  tell(line: string): void;
} {
  const { [CHAOS_VARIABLES.minutes]: minutes, [CHAOS_VARIABLES.seed]: seed } = env;
  const durationMs = minutes === undefined ? SHORT_MS : Number(minutes) * 60_000;
  const named = seed === undefined ? [SHORT_SEED] : seed.split(',').map(Number);
  const more = Number(env[CHAOS_VARIABLES.rounds] ?? 1) - named.length;
  const last = named.at(-1) ?? SHORT_SEED;
  const following = Array.from({ length: Math.max(0, more) }, (_, index) => last + 1 + index);
  const load = LOADS.find((name) => name === env[CHAOS_VARIABLES.load]) ?? 'mixed';
  const rounds = [...named, ...following].map((one) => ({ seed: one, durationMs, load }));
  // A test that passes says nothing; a round that was asked for tells its story.
  const tell = (line: string) => void (minutes !== undefined && process.stdout.write(`${line}\n`));
  return { rounds, tell };
}
