/**
 * Thrown when something the fleet needs is absent and may not be installed from here (not root, not Debian, no
 * network). The message names what is missing and how to get it.
 */
export class MissingError extends Error {
  readonly code = 'MISSING';
  readonly missing: string;
  readonly remedies: readonly string[];

  constructor(missing: string, remedies: readonly string[], options?: ErrorOptions) {
    super(`${missing}\nHow to get it:\n${remedies.map((remedy) => `  - ${remedy}`).join('\n')}`, options);
    this.name = 'MissingError';
    this.missing = missing;
    this.remedies = remedies;
  }
}
