import type { DeathCause, DeathRecord } from '@cronium/contracts';
import { z } from 'zod';
import type { Paint } from './paint.ts';
import { plain } from './text.ts';

const MIB = 2 ** 20;

/** What a colleague would say first. */
const SAID: Readonly<Record<DeathCause, string>> = {
  exit: 'ended by itself, with a failure',
  signal: 'died of a signal',
  oom: 'ran out of memory',
  timed_out: 'ran out of time',
  cancelled: 'was cancelled',
  killed: 'was killed by someone else than the fleet',
  daemon: 'went down with its Docker daemon',
  node_lost: 'was lost with its node',
  fenced: 'was stopped because another node had the job',
  sidecar: 'lost its runtime API',
  image: 'had no usable image',
  setup: 'did not get through its setup',
  disk: 'ran out of disk',
};

const PHASES: Readonly<Record<DeathRecord['phase'], string>> = {
  preparing: 'while its sandbox was prepared',
  setup: 'in its setup',
  preTask: 'in its preTask',
  main: 'in its main program',
  draining: 'while its log was stored',
};

const SURE: Readonly<Record<DeathRecord['certainty'], string>> = {
  certain: 'That is certain.',
  likely: 'That is likely, and not proven.',
  unknown: 'That is the best guess; nothing proves it.',
};

/** Explains the end of an attempt: what happened and what to do, how that is known, and what it printed last. */
export function explainDeath(record: DeathRecord, paint: Paint): string[] {
  const known = evidenceLines(record);
  const { logTail } = record.evidence;
  const attempt = `Attempt ${record.attempt} ${SAID[record.cause]}, ${PHASES[record.phase]}.`;
  return [
    `${paint(['bold', 'red'], attempt)} ${SURE[record.certainty]}`,
    plain(record.message),
    ...section('How this is known:', known),
    ...section('The last that it printed:', logTail.map(plain), '    '),
  ];
}

function section(title: string, lines: readonly string[], indent = '  - '): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines.map((line) => `${indent}${line}`)];
}

function evidenceLines(record: DeathRecord): string[] {
  const { evidence } = record;
  const more = extra.safeParse(evidence).data ?? {};
  return [
    ...exitLine(record),
    ...(more.mainEnd === undefined ? [] : [MAIN_END[more.mainEnd]]),
    ...memoryLine(evidence),
    ...(more.sidecarDied
      ? [
          `its sidecar, which serves the runtime API, died while it ran; started again: ${more.sidecarRestarts ?? 0}`,
        ]
      : []),
    ...evidence.events.flatMap(eventLine),
    ...hostLine(evidence.host),
    `all this was recorded at ${record.at}`,
  ];
}

const extra = z.looseObject({
  mainEnd: z.enum(['exited', 'signalled']).optional(),
  sidecarDied: z.boolean().optional(),
  sidecarRestarts: z.int().optional(),
});

const MAIN_END = {
  exited: "the main program's parent process saw it return that code itself",
  signalled: "the main program's parent process saw it die of a signal",
} as const;

function exitLine({ exitCode, signal }: DeathRecord): string[] {
  if (exitCode === null) return [];
  return [`the exit code was ${exitCode}${signal === null ? '' : `, which stands for ${signal}`}`];
}

function memoryLine({ oomKilled, oomKills = 0, memoryPeakBytes, memoryLimitBytes }: Evidence): string[] {
  const peak = memoryPeakBytes === undefined ? '' : `it had used up to ${mebibytes(memoryPeakBytes)}`;
  const limit = memoryLimitBytes === undefined ? '' : `of the ${mebibytes(memoryLimitBytes)} that it may use`;
  // The kernel's figure goes with the container: what is known is the last reading, up to half a second old.
  const used = peak === '' ? [] : [`${`${peak} ${limit}`.trim()} when that was last read`];
  if (oomKills > 0)
    return [`the kernel killed ${oomKills} of its processes for want of memory${of(limit)}`, ...used];
  if (oomKilled) return [`Docker says that it was killed for want of memory${of(limit)}`, ...used];
  if (oomKilled === false) return ['no process of it was killed for want of memory', ...used];
  return used;
}

type Evidence = DeathRecord['evidence'];

const of = (limit: string): string => (limit === '' ? '' : ` (${limit.replace(/^of /, '')})`);

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`;
}

const dockerEvent = z.object({
  action: z.string(),
  at: z.number(),
  attributes: z.record(z.string(), z.string()).default({}),
});

function eventLine(event: unknown): string[] {
  const parsed = dockerEvent.safeParse(event);
  if (!parsed.success) return [plain(JSON.stringify(event))];
  const { action, at, attributes } = parsed.data;
  const facts = Object.entries(attributes).filter(([name]) => name !== 'name');
  const told = facts.map(([name, value]) => `${name} ${value}`).join(', ');
  const text = `Docker, ${new Date(at).toISOString().slice(11, 23)}: ${action}${told === '' ? '' : ` (${told})`}`;
  return [plain(text)];
}

const hostFacts = z.object({
  load1: z.number().optional(),
  freeBytes: z.number().optional(),
  totalBytes: z.number().optional(),
  memoryPressurePercent: z.number().optional(),
});

function hostLine(host: Evidence['host']): string[] {
  const { load1, freeBytes, totalBytes, memoryPressurePercent } = hostFacts.safeParse(host).data ?? {};
  const said = [
    ...(load1 === undefined ? [] : [`a load of ${load1.toFixed(1)}`]),
    ...(freeBytes === undefined || totalBytes === undefined
      ? []
      : [`${mebibytes(freeBytes)} of ${mebibytes(totalBytes)} free`]),
    ...(memoryPressurePercent === undefined ? [] : [`memory pressure of ${memoryPressurePercent} %`]),
  ];
  return said.length === 0 ? [] : [`its host had ${said.join(', ')}`];
}
