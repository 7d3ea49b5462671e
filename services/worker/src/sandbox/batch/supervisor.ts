import { TOOLKIT_ENTRY } from '@cronium/contracts';
import { helloFrame, planFrame } from '../entry-frames.ts';
import { type EntryPlan, RUN_PATH } from '../entry-program.ts';
import { openNonce } from '../log/markers.ts';

/** A container that serves a batch waits for turns on stdin, as PID 1, which its jobs can neither read nor trace. */
export const SUPERVISOR_ENTRYPOINT: readonly string[] = [TOOLKIT_ENTRY, 'batch'];
/** More than this is written to it in no turn: such a job runs in a container of its own. */
const MAX_TURN_BYTES = 1024 * 1024;
/** What a job can write to, beside the volumes of its image. */
const ALWAYS_WRITABLE = ['/tmp', '/workspace', RUN_PATH, '/dev/shm', '/dev/mqueue'];

/** What is sent to a supervisor first. @param volumes of the image, as absolute paths */
export function hello(nonce: string, volumes: readonly string[]): Buffer {
  return helloFrame(nonce, [...new Set([...ALWAYS_WRITABLE, ...volumes])]);
}

/**
 * One turn.
 * @returns `undefined` when the plan cannot be given so: a script is very long
 * @throws RangeError when an environment value or an argument holds a NUL byte, which no program can be given
 */
export function turnProgram(plan: EntryPlan): Buffer | undefined {
  const program = planFrame(plan, [openNonce(plan.nonce), plan.nonce]);
  return program.length > MAX_TURN_BYTES ? undefined : program;
}
