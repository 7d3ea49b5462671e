/** One thing that is wrong with the environment. */
export interface ConfigProblem {
  readonly variable: string;
  /** The variable, its value unless secret, what is wrong, and what to write. */
  readonly message: string;
}

/** Thrown when the environment can't be used; lists all its problems at once. */
export class ConfigError extends Error {
  readonly code = 'CONFIG';
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const noun = problems.length === 1 ? 'problem' : 'problems';
    const lines = problems.map((problem) => `  - ${problem.message}`);
    super(`The configuration has ${problems.length} ${noun}:\n${lines.join('\n')}`);
    this.name = 'ConfigError';
    this.problems = Object.freeze([...problems]);
  }
}
