/** Thrown, or the reason of an abort, when the process is stopping. */
export class ShutdownError extends Error {
  readonly code = 'SHUTDOWN';

  constructor(reason: string) {
    super(`shutting down: ${reason}`);
    this.name = 'ShutdownError';
  }
}

/** The reason of an abort because time ran out. */
export class DeadlineError extends Error {
  readonly code = 'DEADLINE';
  readonly milliseconds: number;

  constructor(reason: string, milliseconds: number) {
    super(`${reason} (after ${milliseconds} ms)`);
    this.name = 'DeadlineError';
    this.milliseconds = milliseconds;
  }
}
