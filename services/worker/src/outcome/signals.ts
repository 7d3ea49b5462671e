import { constants } from 'node:os';

const NAMES = new Map<number, string>(
  // The first name of a number is its usual one: SIGABRT before SIGIOT.
  Object.entries(constants.signals)
    .reverse()
    .map(([name, number]) => [number, name]),
);

/** `SIGKILL` for 9; `undefined` when there is no such signal. */
export function signalName(number: number): string | undefined {
  return NAMES.get(number);
}

/**
 * The signal that an exit code above 128 may stand for. A program can also exit with such a code of its own accord: it
 * is a hint and no proof.
 */
export function signalOfExitCode(exitCode: number): string | undefined {
  return exitCode > 128 ? signalName(exitCode - 128) : undefined;
}

/** `SIGKILL` for `9`, `KILL` and `SIGKILL`, as Docker's events spell it. */
export function normalSignal(signal: string): string {
  if (/^\d+$/.test(signal)) return signalName(Number(signal)) ?? signal;
  const upper = signal.toUpperCase();
  return upper.startsWith('SIG') ? upper : `SIG${upper}`;
}
