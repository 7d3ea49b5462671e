/**
 * Thrown, or the reason of an abort, when this process no longer holds an attempt: its lock was refused or ran out.
 * Whoever sees it stops at once and reports nothing: the job may already run elsewhere.
 */
export class FencedError extends Error {
  override readonly name = 'FencedError';
  readonly code = 'FENCED';
  readonly attemptId: string;

  constructor(attemptId: string, why: string) {
    super(`${attemptId} is no longer ours: ${why}`);
    this.attemptId = attemptId;
  }
}
