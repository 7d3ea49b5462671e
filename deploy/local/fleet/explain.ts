import { isWrongOption } from '../../script-options.ts';
import { MissingError } from '../bootstrap.ts';
import { PortsTakenError } from './ports.ts';
import { NotReadyError } from './readiness.ts';
import { FleetRunningError } from './record.ts';

const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

/**
 * The exit code for an error of starting a fleet with a script, and what to tell. Errors of the program itself are thrown on.
 */
export function explainStart(
  error: unknown,
  script: 'npm start' | 'npm run demo' | 'npm run bench',
): { readonly exitCode: number; readonly message: string } {
  if (!(error instanceof Error)) throw error;
  if (error.name === 'AbortError') return { exitCode: EXIT_INTERRUPTED, message: 'Stopped.' };
  if (isWrongOption(error)) {
    return { exitCode: EXIT_USAGE, message: `${error.message}\nWhat can be set: ${script} -- --help` };
  }
  const known = [MissingError, PortsTakenError, FleetRunningError, NotReadyError];
  if (!known.some((kind) => error instanceof kind)) throw error;
  return { exitCode: 1, message: error.message };
}
