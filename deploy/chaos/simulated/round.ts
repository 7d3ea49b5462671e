import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isTerminal, queueName } from '@cronium/contracts';
import { pause } from '@cronium/lifecycle';
import type { NodeSettings } from '../../../services/worker/src/node/settings.ts';
import { ScriptedHost } from '../../../services/worker/src/testing/scripted-host.ts';
import { planFaults } from '../plan.ts';
import { Random } from '../random.ts';
import { type SimulatedBed, type SimulatedFault, simulatedFaults } from './faults.ts';
import { drawJob, type SimulatedJob, stepsOf } from './jobs.ts';
import { judgeSimulated, type SimulatedVerdict } from './judge.ts';
import { SimulatedNode } from './node.ts';
import { SimulatedResults } from './results.ts';
import { SimulatedValkey } from './valkey.ts';
import { VirtualTime } from './virtual-time.ts';

/** What a simulated round did, and what is held against the fleet. */
export interface SimulatedReport extends SimulatedVerdict {
  readonly seed: number;
  readonly accepted: number;
  readonly faults: readonly string[];
  /** Virtual. */
  readonly tookMs: number;
  /** Of everything that happened and when: the same for the same seed. */
  readonly fingerprint: string;
}

export interface SimulatedRoundOptions {
  readonly seed: number;
  readonly nodes?: number;
  readonly jobs?: number;
  readonly durationMs?: number;
  /** Receives the story of the round. */
  say?(line: string): void;
}

/** The nodes' journals are real files; in memory they cost no disk. */
const MEMORY = '/dev/shm';
const LOCK_MS = 12_000;
const QUEUE = queueName({ pool: 'default', requires: {} });
/** By then everything must have come to its end: attempts, retries, locks, reconciliations. */
const QUIET_MS = 30 * 60_000;

/** Runs the real worker code on simulated machines for a while, breaks it, and judges what came of it. */
export async function simulateRound(options: SimulatedRoundOptions): Promise<SimulatedReport> {
  const { seed, nodes: count = 2, jobs: jobCount = 14, durationMs = 60_000, say = () => undefined } = options;
  const random = new Random(seed);
  const jitter = random.fork();
  using time = new VirtualTime(() => jitter.next());
  const folder = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'simulated-'));
  try {
    const valkey = new SimulatedValkey();
    valkey.records.set(QUEUE, JSON.stringify({ pool: 'default', requires: {} }));
    const results = new SimulatedResults();
    const jobs = new Map<string, SimulatedJob>();
    const nodes = Array.from({ length: count }, (_, index) => {
      const host = new ScriptedHost(({ jobId, attemptId }) => {
        const job = jobs.get(jobId);
        return job === undefined ? [] : stepsOf(job, attemptId);
      });
      const settings = settingsOf(`node-${index}`, folder);
      const machine = { node: settings.node, host, lives: new Map() };
      return new SimulatedNode({ settings, time, random: random.fork(), valkey, results, machine });
    });
    const world = { time, valkey, results, jobs, say };
    const story = await time.outside(() => play(world, { nodes, random, jobCount, durationMs }));
    const verdict = judgeSimulated({ jobs, results, valkey, nodes, queue: QUEUE });
    const text = JSON.stringify([
      story,
      verdict,
      [...results.attempts.values()].map(({ timeline }) => timeline),
    ]);
    const fingerprint = createHash('sha256').update(text).digest('hex').slice(0, 16);
    for (const node of nodes) node[Symbol.dispose]();
    await time.end();
    return { seed, accepted: jobs.size, faults: story, tookMs: time.elapsedMs, fingerprint, ...verdict };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface World {
  readonly time: VirtualTime;
  readonly valkey: SimulatedValkey;
  readonly results: SimulatedResults;
  readonly jobs: Map<string, SimulatedJob>;
  say(line: string): void;
}

interface Play {
  readonly nodes: readonly SimulatedNode[];
  readonly random: Random;
  readonly jobCount: number;
  readonly durationMs: number;
}

/** @returns the faults that were made, in order */
async function play(world: World, { nodes, random, jobCount, durationMs }: Play): Promise<string[]> {
  const { time, results, valkey, jobs, say } = world;
  const bed: SimulatedBed = { nodes, lockMs: LOCK_MS };
  for (const node of nodes) node.start();
  const plan = planFaults(random.fork(), {
    faults: simulatedFaults(nodes.length, LOCK_MS),
    durationMs,
    gapMs: [300, 6000],
  });
  const story: string[] = [];
  const lots = random.fork();
  const broken = plan.map(({ fault, atMs, forMs }) => {
    story.push(`${atMs} ${fault.name} for ${forMs} ms`);
    return breakFor(bed, { fault, atMs, forMs, random: lots.fork(), time, say });
  });
  const loaded = submit(world, { random: random.fork(), jobCount, durationMs });
  let isPlayed = false;
  void Promise.all([...broken, loaded]).then(() => {
    isPlayed = true;
  });
  const isQuiet = () =>
    isPlayed &&
    valkey.queue(QUEUE).size === 0 &&
    [...jobs.keys()].every((id) => isTerminal(results.jobs.get(id)?.state ?? 'queued')) &&
    nodes.every(({ unfinished }) => unfinished?.length === 0);
  await time.until(isQuiet, durationMs + QUIET_MS);
  return story;
}

interface Breaking {
  readonly fault: SimulatedFault;
  readonly atMs: number;
  readonly forMs: number;
  readonly random: Random;
  readonly time: VirtualTime;
  say(line: string): void;
}

async function breakFor(bed: SimulatedBed, breaking: Breaking): Promise<void> {
  const { fault, atMs, forMs, random, time, say } = breaking;
  await pause(atMs);
  say(`${time.elapsedMs} ${fault.name} for ${forMs} ms`);
  const fromMs = time.elapsedMs;
  fault.break(bed, random);
  if (forMs > 0) await pause(forMs);
  fault.mend(bed);
  const disabled = fault.disables === undefined ? undefined : bed.nodes[fault.disables];
  disabled?.away.push({ fromMs, toMs: time.elapsedMs + disabled.lookMs });
  say(`${time.elapsedMs} ${fault.name} is over`);
}

async function submit(
  { valkey, results, jobs }: World,
  { random, jobCount, durationMs }: Omit<Play, 'nodes'>,
): Promise<void> {
  const queue = valkey.queue(QUEUE);
  const cancels: Promise<void>[] = [];
  for (let number = 1; number <= jobCount; number++) {
    await pause(random.whole(0, (1.6 * durationMs) / jobCount));
    const job = drawJob(random, number);
    jobs.set(job.id, job);
    queue.add(job.id, JSON.stringify(job.payload));
    const acceptedAfterMs = random.whole(1, 2000);
    void pause(acceptedAfterMs).then(() => results.accept(job.id, job.payload));
    if (random.chance(0.2)) cancels.push(cancelAfter(random.whole(0, 15_000), job.id, { valkey, results }));
  }
  await Promise.all(cancels);
}

async function cancelAfter(
  milliseconds: number,
  jobId: string,
  { valkey, results }: Pick<World, 'valkey' | 'results'>,
): Promise<void> {
  await pause(milliseconds + 1);
  valkey.cancels.set(jobId, { by: 'ada', at: Date.now() });
  valkey.publish({ type: 'cancel', jobId });
  // The event comes to results a while later.
  await pause(3000);
  results.cancel(jobId, valkey);
}

function settingsOf(node: string, folder: string): NodeSettings {
  const stateDir = join(folder, node);
  mkdirSync(stateDir);
  return {
    ...{ node, stateDir, version: '0.0.0', prefix: 'sim', pools: ['default'], labels: {}, services: [] },
    ...{
      slots: 3,
      lockMs: LOCK_MS,
      stalledCheckMs: 3000,
      backlogMax: 100,
      diskMinFreeBytes: 0,
      drainMs: 3000,
    },
    limits: {
      ...{ setupTimeoutMs: 120_000, freezeMs: 120_000, stopGraceMs: 1000, logMaxBytes: 1024 * 1024 },
      spoolFolder: join(stateDir, 'spool'),
    },
  };
}
