import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A text that the demo counts words in. */
export interface Text {
  readonly name: string;
  readonly text: string;
}

/** Every text of a folder once: links to the same file count as one, under the file's own name. */
export function textsIn(folder: string): Text[] {
  const files = readdirSync(folder)
    .map((name) => realpathSync(join(folder, name)))
    .filter((path) => statSync(path).isFile());
  return [...new Set(files)]
    .sort()
    .map((path) => ({ name: path.slice(path.lastIndexOf('/') + 1), text: readFileSync(path, 'utf8') }));
}
