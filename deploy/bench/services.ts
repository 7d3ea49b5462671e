import type { Report } from '../local/bootstrap.ts';
import type { Figure } from './figure.ts';
import { type IngestRun, ingestFigures, measureIngest } from './ingest.ts';
import { MemoryWatch } from './resident.ts';
import { openStage, type Stage, type StagedService } from './stage.ts';
import { measureLargeBatch, measureSubmission, type SubmissionRun, submissionFigures } from './submission.ts';
import { measureTail, type TailRun, tailFigures } from './tail.ts';

/** The parts that measure one service, without workers and without Docker. */
export const SERVICE_PARTS: ReadonlySet<string> = new Set(['submission', 'ingest', 'tail']);

/** What to measure, and how much of it. */
export interface ServiceOptions {
  readonly only: ReadonlySet<string>;
  readonly home: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly report: Report;
  readonly runs: number;
  /** Jobs of a batch, and of the large one; 0 for none. */
  readonly batch: number;
  readonly large: number;
}

export async function measureServices(options: ServiceOptions): Promise<Figure[]> {
  await using stage = await openStage(options.home, options);
  const { only } = options;
  return [
    ...(only.has('submission') ? await submission(stage, options) : []),
    ...(only.has('ingest') || only.has('tail') ? await ofResults(stage, options) : []),
  ];
}

async function ofResults(stage: Stage, options: ServiceOptions): Promise<Figure[]> {
  const results = await stage.startResults();
  return [
    ...(options.only.has('ingest') ? await ingest(stage, results, options) : []),
    ...(options.only.has('tail') ? await tail(stage, results, options) : []),
  ];
}

async function tail(
  stage: Stage,
  results: StagedService,
  { runs, report }: ServiceOptions,
): Promise<Figure[]> {
  const done: TailRun[] = [];
  for (let run = 1; run <= runs; run++) {
    report(`tail: run ${run} of ${runs}`);
    done.push(await measureTail(stage, results));
  }
  return tailFigures(done);
}

async function ingest(
  stage: Stage,
  results: StagedService,
  { runs, report }: ServiceOptions,
): Promise<Figure[]> {
  using memory = new MemoryWatch(results.pid());
  const done: IngestRun[] = [];
  for (let run = 1; run <= runs; run++) {
    report(`ingest: run ${run} of ${runs}`);
    done.push(await measureIngest(stage, results));
  }
  return ingestFigures(done, memory.peak);
}

async function submission(stage: Stage, { runs, batch, large, report }: ServiceOptions): Promise<Figure[]> {
  const producer = await stage.startProducer();
  const done: SubmissionRun[] = [];
  for (let run = 1; run <= runs; run++) {
    report(`submission: run ${run} of ${runs}`);
    done.push(await measureSubmission(stage, producer, batch));
  }
  if (large === 0) return submissionFigures(done, undefined);
  report(`submission: one batch of ${large} jobs`);
  return submissionFigures(done, await measureLargeBatch(stage, producer, large));
}
