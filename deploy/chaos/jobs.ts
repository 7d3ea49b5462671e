import type { JobInput, TerminalState } from '@cronium/contracts';
import type { Random } from './random.ts';

/** A job of which it is known beforehand what it prints and how it ends when nothing breaks. */
export interface ChaosJob {
  readonly kind: string;
  readonly spec: JobInput;
  /** What a run that was not cut off has printed. */
  readonly stdout: string;
  readonly stderr: string;
  /** How it may end. Losing every attempt of its policy to faults (`lost`) is always allowed, and counted. */
  readonly ends: readonly TerminalState[];
  /** It tells the effects server when it runs. */
  readonly hasEffect: boolean;
}

/** Where jobs leave their mark outside of their container. */
export interface EffectsAddress {
  readonly host: string;
  readonly port: number;
}

/** Numbers that a shell can count too; each line's depends on all before it. */
export function following(value: number): number {
  return Number((BigInt(value) * 1_103_515_245n + 12_345n) & 0x7fff_ffffn);
}

interface Lines {
  readonly count: number;
  readonly seed: number;
  /** After so many lines it rests, so that the job lives for a while. */
  readonly restEvery?: number;
}

/** A script that prints numbered lines to both streams, each with a checksum of all before it. */
function printing({ count, seed, restEvery = 0 }: Lines): string {
  const rest = restEvery === 0 ? '' : `(( i % ${restEvery} )) || sleep 0.2;`;
  return `i=0; x=${seed}
while (( i < ${count} )); do
  i=$((i + 1)); x=$(( (x * 1103515245 + 12345) & 2147483647 ))
  if (( x & 64 )); then echo "$i $x" >&2; else echo "$i $x"; fi
  ${rest}
done`;
}

function printed({ count, seed }: Lines): { stdout: string; stderr: string } {
  const streams = { stdout: '', stderr: '' };
  for (let i = 1, x = following(seed); i <= count; i++, x = following(x)) {
    streams[x & 64 ? 'stderr' : 'stdout'] += `${i} ${x}\n`;
  }
  return streams;
}

type Make = (random: Random, effects: EffectsAddress) => Omit<ChaosJob, 'kind'>;

interface Kind {
  readonly name: string;
  readonly weight: number;
  readonly make: Make;
}

const RETRY = { attempts: 3, backoff: { type: 'fixed', delaySeconds: 1 } } as const;
const SMALL = { cpus: 1, memoryMiB: 64, pids: 50, diskMiB: 50 } as const;

const bash = (source: string, more: Partial<JobInput> = {}): JobInput =>
  ({ resources: SMALL, ...more, type: 'script', script: { language: 'bash', source } }) as JobInput;

const KINDS: readonly Kind[] = [
  { name: 'short', weight: 5, make: linesJob(1, 200) },
  { name: 'long', weight: 4, make: linesJob(30, 120, 2) },
  { name: 'many-lines', weight: 1, make: linesJob(2000, 5000) },
  { name: 'unterminated', weight: 2, make: unterminated },
  { name: 'burst', weight: 1, make: burst },
  { name: 'failing', weight: 1, make: failing },
  { name: 'flaky', weight: 1, make: flaky },
  { name: 'overdue', weight: 1, make: overdue },
  { name: 'effect', weight: 3, make: effect },
];

/** Draws a job. */
export function drawJob(random: Random, effects: EffectsAddress): ChaosJob {
  const { name, make } = random.weighted(KINDS);
  const job = make(random, effects);
  return { kind: name, ...job, spec: { ...job.spec, name: `chaos ${name}` } };
}

const SHORT_LOGS = 500;
const LONG_LOGS = 50;

/** Jobs whose logs are to come through whatever happens, in the order in which they are submitted. */
export function logJobs(random: Random): ChaosJob[] {
  const short = () => ({ kind: 'unterminated', ...unterminated(random) });
  const long = () => ({ kind: 'long log', ...longLog(random) });
  const each = SHORT_LOGS / LONG_LOGS;
  return Array.from({ length: LONG_LOGS }, () => [long(), ...Array.from({ length: each }, short)]).flat();
}

/** A job that goes on until someone cancels it. */
export function cancelledJob(random: Random): ChaosJob {
  const lines = { count: 100_000, seed: random.whole(0, 2 ** 31 - 1), restEvery: 1 };
  return {
    kind: 'cancelled',
    spec: bash(printing(lines), { name: 'chaos cancelled' }),
    ...printed({ ...lines, count: 3000 }),
    ends: ['cancelled'],
    hasEffect: false,
  };
}

function linesJob(least: number, most: number, restEvery = 0): Make {
  return (random) => {
    const lines = { count: random.whole(least, most), seed: random.whole(0, 2 ** 31 - 1), restEvery };
    return { spec: bash(printing(lines)), ...printed(lines), ends: ['succeeded'], hasEffect: false };
  };
}

function unterminated(random: Random): Omit<ChaosJob, 'kind'> {
  const word = `end of ${random.whole(1, 1_000_000)}`;
  return {
    spec: bash(`printf 'first\\n\\n%s' '${word}'; printf 'no line' >&2`),
    stdout: `first\n\n${word}`,
    stderr: 'no line',
    ends: ['succeeded'],
    hasEffect: false,
  };
}

/** 100,000 lines in ten pieces, with a rest between them, so that it lives for some seconds. */
function longLog(random: Random): Omit<ChaosJob, 'kind'> {
  const word = random.whole(1000, 9999);
  const numbers = Array.from({ length: 100_000 }, (_, index) => `${word} ${index + 1}\n`);
  return {
    spec: bash(`for p in {0..9}; do
  eval "printf '${word} %s\\n' {$((p * 10000 + 1))..$((p * 10000 + 10000))}"
  sleep 0.3
done`),
    stdout: numbers.join(''),
    stderr: '',
    ends: ['succeeded'],
    hasEffect: false,
  };
}

/** 300 KB in the last moment of the job's life. */
function burst(random: Random): Omit<ChaosJob, 'kind'> {
  const digits = String(random.whole(1000, 9999));
  return {
    spec: bash(`printf -v block '%01024d' ${digits}; for i in {1..300}; do printf '%s\\n' "$block"; done`),
    stdout: `${digits.padStart(1024, '0')}\n`.repeat(300),
    stderr: '',
    ends: ['succeeded'],
    hasEffect: false,
  };
}

function failing(random: Random): Omit<ChaosJob, 'kind'> {
  const lines = { count: 5, seed: random.whole(0, 1000) };
  return { spec: bash(`${printing(lines)}\nexit 3`), ...printed(lines), ends: ['failed'], hasEffect: false };
}

/** Fails at first and is tried again by its own policy. */
function flaky(random: Random): Omit<ChaosJob, 'kind'> {
  const lines = { count: 5, seed: random.whole(0, 1000) };
  const source = `[ "\${CRONIUM_EXECUTION_ID##*.}" = 1 ] && exit 1\n${printing(lines)}`;
  return { spec: bash(source, { retry: RETRY }), ...printed(lines), ends: ['succeeded'], hasEffect: false };
}

function overdue(random: Random): Omit<ChaosJob, 'kind'> {
  const lines = { count: 3, seed: random.whole(0, 1000) };
  return {
    spec: bash(`${printing(lines)}\nsleep 600`, { timeoutSeconds: 2 }),
    ...printed(lines),
    ends: ['timed_out'],
    hasEffect: false,
  };
}

/** Leaves a mark on the effects server, once for each time that its program runs. */
function effect(random: Random, { host, port }: EffectsAddress): Omit<ChaosJob, 'kind'> {
  const lines = { count: random.whole(3, 30), seed: random.whole(0, 1000), restEvery: 3 };
  const mark = `curl --silent --fail --max-time 10 --proxy "$HTTP_PROXY" "http://${host}:${port}/$CRONIUM_EXECUTION_ID" || exit 9`;
  return {
    spec: bash(`${mark}\n${printing(lines)}`, { retry: RETRY, egress: { allow: [`${host}:${port}`] } }),
    ...printed(lines),
    // The mark may be out of reach while a daemon or a sidecar is broken: exit 9, tried again.
    ends: ['succeeded', 'failed'],
    hasEffect: true,
  };
}
