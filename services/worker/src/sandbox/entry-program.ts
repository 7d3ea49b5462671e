import { TOOLKIT_ENTRY } from '@cronium/contracts';
import { EMPTY_FRAME, planFrame } from './entry-frames.ts';

/** Where an attempt's scripts live in its container: a tmpfs of the fleet's, so that the job's own folders are empty. */
export const RUN_PATH = '/.cronium-run';

/**
 * What every job container is created with. It waits for its program on stdin, two frames, and becomes it (images/runtime-api/entry).
 * Without them it ends with the code 125, and nothing of the job's has run. It shows in `docker inspect`, so it holds no secret.
 */
export const BOOT_ENTRYPOINT: readonly string[] = [TOOLKIT_ENTRY, 'job'];

/** A file that a program finds in {@link RUN_PATH}. */
export interface ProgramFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface EntryPhase {
  readonly phase: 'tenantPreTask' | 'setup' | 'preTask';
  readonly argv: readonly string[];
}

/** What a job container shall do. */
export interface EntryPlan {
  readonly nonce: string;
  /** The whole environment of the job's programs: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly phases: readonly EntryPhase[];
  readonly main: readonly string[];
  /** A command that runs the main program: it is put before that program's own. */
  readonly runner: readonly string[];
  /** What is put into {@link RUN_PATH}. */
  readonly files: readonly ProgramFile[];
}

/** What a job container gets on stdin. */
export interface EntryProgram {
  /** Writes the scripts and defines what is to be done. Nothing of the job's runs. May be sent before it is sure that it will. */
  readonly ahead: Buffer;
  /** Begins. Then stdin must be closed. */
  readonly go: Buffer;
}

/** @throws RangeError when an environment value or an argument holds a NUL byte, which no program can be given */
export function entryProgram(plan: EntryPlan): EntryProgram {
  return { ahead: planFrame(plan, [plan.nonce]), go: EMPTY_FRAME };
}
