/** One thing that a check has to say about the repository. */
export interface Finding {
  /** Path from the root, with a line where there is one: `libs/config/src/define.ts:12`. */
  readonly where: string;
  readonly message: string;
  /** A warning is printed and does not fail the check. */
  readonly severity: 'error' | 'warning';
}

/** A file of the repository. */
export interface SourceFile {
  /** From the root, with slashes. */
  readonly path: string;
  readonly text: string;
}

/** The line (from 1) of an offset. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}
