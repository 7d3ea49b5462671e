// What the fleet's own programs share.
import { readFileSync } from 'node:fs';

/** What a program shall do: JSON in a variable, or, when it is too long for one, in the file that `…_FILE` names. */
export function task(variable) {
  const file = process.env[`${variable}_FILE`];
  const json = file === undefined ? process.env[variable] : readFileSync(file, 'utf8');
  if (json === undefined) throw new Error(`${variable} is not set: this program runs inside a Cronium job`);
  return JSON.parse(json);
}

/** An error and what caused it, in one line. */
export function explain(error) {
  const inner = error.cause ?? error.errors?.[0];
  const text = error.message || error.code || String(error);
  return inner === undefined ? text : `${text}: ${explain(inner)}`;
}
