import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Figure } from '../figure.ts';
import { median, percentile } from '../measure.ts';
import { type Bed, openBed } from './bed.ts';
import type { Sizes } from './fill.ts';
import { type Plan, plansOf } from './plans.ts';
import { NOT_ASKED, REQUESTS, type Request } from './requests.ts';

/** How to ask. */
export interface QueryOptions {
  readonly sizes: Sizes;
  readonly runs: number;
  /** How often a run asks each question. */
  readonly asked: number;
  /** Only those whose names hold this. */
  readonly match: string;
  readonly home: string;
  say(line: string): void;
}

const MOST_MS = 50;
/** Asks for nothing that is stored: what the machine and HTTP cost in the same run. */
const NOTHING: Request = { name: 'nothing (baseline)', route: '/health', path: () => '/health' };

/** Asks a real results process everything that people and programs ask of it, and writes down the plans. */
export async function measureQueries(options: QueryOptions): Promise<Figure[]> {
  const { sizes, say, home } = options;
  await using bed = await openBed(join(home, 'queries'), sizes, say);
  await requireAll(bed);
  const wanted = REQUESTS.filter(({ name }) => name.includes(options.match));
  const all = [NOTHING, ...wanted];
  const ask = asker(bed, sizes.jobs);
  const runs: Map<string, number[]>[] = [];
  // Once unmeasured: the caches of a service that has run for a while are warm.
  await roundsOf(all, Math.min(5, options.asked), ask);
  for (let run = 1; run <= options.runs; run++) {
    say(`queries: run ${run} of ${options.runs}`);
    runs.push(await roundsOf(all, options.asked, ask));
  }
  const path = join(home, 'plans.txt');
  writeFileSync(path, plansText(await plansOf(bed, wanted, ask)));
  say(`The plan of every statement: ${path}`);
  return figuresOf(wanted, runs);
}

/** Fails when the service answers something that is neither asked nor named as not asked. */
async function requireAll({ url }: Bed): Promise<void> {
  const { paths } = (await (await fetch(`${url}/openapi.json`)).json()) as { paths: Record<string, object> };
  const asked = new Set(REQUESTS.map(({ route }) => route));
  const missing = Object.entries(paths)
    .filter(([path, methods]) => path.startsWith('/v1/') && 'get' in methods)
    .map(([path]) => path)
    .filter((path) => !asked.has(path) && NOT_ASKED[path] === undefined);
  if (missing.length > 0)
    throw new Error(`deploy/bench/queries/requests.ts asks nothing of ${missing.join(', ')}`);
}

type Ask = (request: Request) => Promise<number>;

function asker({ url, apiKey }: Bed, jobs: number): Ask {
  let n = 0;
  return async ({ path, accept = 'application/json', also = [], name }) => {
    const target = `${url}${path(++n, jobs)}`;
    const startedAt = performance.now();
    const answer = await fetch(target, { headers: { authorization: `Bearer ${apiKey}`, accept } });
    const body = await answer.arrayBuffer();
    const milliseconds = performance.now() - startedAt;
    if (answer.status === 200 || also.includes(answer.status)) return milliseconds;
    throw new Error(
      `${name}: ${target} answered ${answer.status}: ${Buffer.from(body).toString().slice(0, 500)}`,
    );
  };
}

/** One question after the other, each so many times: what disturbs the machine meets them all alike. */
async function roundsOf(
  requests: readonly Request[],
  rounds: number,
  ask: Ask,
): Promise<Map<string, number[]>> {
  const times = new Map(requests.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    for (const request of requests) times.get(request.name)?.push(await ask(request));
  }
  return times;
}

function figuresOf(wanted: readonly Request[], runs: readonly Map<string, number[]>[]): Figure[] {
  const each = (name: string, share: number) => runs.map((run) => percentile(run.get(name) ?? [], share));
  const nothing = { p50: each(NOTHING.name, 0.5), p99: each(NOTHING.name, 0.99) };
  const figure = (name: string, part: 'p50' | 'p99'): Figure => {
    const values = each(name, part === 'p50' ? 0.5 : 0.99);
    return {
      name: `${name}, ${part}`,
      unit: 'ms',
      value: median(values),
      runs: values,
      baseline: { name: NOTHING.route, value: median(nothing[part]), runs: nothing[part] },
      ...(part === 'p99' && { target: { of: 'value' as const, atMost: MOST_MS } }),
    };
  };
  return wanted.flatMap(({ name }) => [figure(name, 'p50'), figure(name, 'p99')]);
}

function plansText(plans: ReadonlyMap<string, readonly Plan[]>): string {
  const parts = [...plans].map(([name, statements]) => {
    const texts = statements.map(({ milliseconds, text }) => `-- ${milliseconds} ms\n${text}`);
    return `=== ${name}\n\n${texts.join('\n\n')}\n`;
  });
  return parts.join('\n');
}
