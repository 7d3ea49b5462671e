import { parentPort, workerData } from 'node:worker_threads';
import { z } from 'zod';
import { simulateRound } from './round.ts';

// Aborts are many here, and nobody looks at where they came from.
Error.stackTraceLimit = 0;

const { first, step, end } = z.object({ first: z.int(), step: z.int(), end: z.int() }).parse(workerData);
for (let seed = first; seed < end; seed += step) {
  parentPort?.postMessage(await simulateRound({ seed }));
}
