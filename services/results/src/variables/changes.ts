import type { VariableView } from '@cronium/contracts';
import { pgText } from '../db/bulk.ts';
import { problems } from '../http/problems.ts';

export type Json = VariableView['value'];
/** Makes the new value of the old one; the old one is undefined when there is none. */
export type Change = (old: VariableView | undefined) => Json;

/** The longest value, as JSON. */
export const MAX_VALUE_BYTES = 1024 * 1024;

/** Sets a value; with `ifVersion` only over that version (0: only when there is none). */
export function put(value: Json, ifVersion: number | undefined): Change {
  return (old) => {
    if (ifVersion !== undefined && ifVersion !== (old?.version ?? 0)) {
      throw problems.conflict(`The variable has version ${old?.version ?? 0}, not ${ifVersion}.`);
    }
    return value;
  };
}

/** Adds to a number; a missing one counts as 0. */
export function increment(by: number): Change {
  return (old) => {
    const value = old === undefined ? 0 : old.value;
    if (typeof value !== 'number') throw problems.conflict('The variable is not a number.');
    if (!Number.isFinite(value + by)) throw problems.conflict('The sum is too large for a number.');
    return value + by;
  };
}

/** Appends to a text; a missing one is begun, without the separator. */
export function append(text: string, separator: string): Change {
  return (old) => {
    if (old === undefined) return text;
    if (typeof old.value !== 'string') throw problems.conflict('The variable is not a text.');
    return `${old.value}${separator}${text}`;
  };
}

/** The JSON of a value. @throws HttpProblem 413 */
export function valueText(value: Json): string {
  const text = JSON.stringify(value);
  if (Buffer.byteLength(text) <= MAX_VALUE_BYTES) return text;
  throw problems.tooLarge(`The value of a variable may have ${MAX_VALUE_BYTES} bytes as JSON.`);
}

/** A key as it is stored: 1 to 512 characters. */
export function variableKey(text: string): string {
  if (text.length < 1 || text.length > 512) {
    throw problems.badQuery([{ path: 'key', message: 'must have 1 to 512 characters' }]);
  }
  if (pgText(text) !== text) throw problems.badValue();
  return text;
}
