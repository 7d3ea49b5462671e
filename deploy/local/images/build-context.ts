import { createHash } from 'node:crypto';
import { createReadStream, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Pack } from 'tar-stream';
import tar from 'tar-stream';

/** One file of a build context. Large ones are named by their path on disk and streamed. */
export interface ContextFile {
  readonly name: string;
  readonly mode: number;
  readonly content: Uint8Array | { readonly path: string };
}

/** Not part of any image. */
const LEFT_OUT = /(^|\/)(node_modules|dist|__pycache__|\.[^/]+|test_[^/]*|[^/]+\.test\.[^/]+|tests?)$/;

/** The files below some paths of a folder, in a fixed order; tests and generated files are left out. */
export function contextFiles(folder: string, paths: readonly string[]): ContextFile[] {
  return paths.flatMap((path) => walk(folder, path)).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function walk(folder: string, name: string): ContextFile[] {
  if (LEFT_OUT.test(name)) return [];
  const path = join(folder, name);
  const stat = lstatSync(path);
  if (stat.isDirectory()) return readdirSync(path).flatMap((entry) => walk(folder, `${name}/${entry}`));
  return [{ name, mode: stat.mode & 0o111 ? 0o755 : 0o644, content: readFileSync(path) }];
}

/** A hash over names, modes and contents. */
export function hashFiles(files: readonly ContextFile[]): string {
  const hash = createHash('sha256');
  for (const file of files) {
    const content = file.content instanceof Uint8Array ? file.content : readFileSync(file.content.path);
    hash.update(`${file.name}\0${file.mode}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

/** The context as the tar stream that Docker's build reads. */
export function contextStream(files: readonly ContextFile[]): Readable {
  const archive = tar.pack();
  addAll(archive, files).then(
    () => archive.finalize(),
    (error: Error) => archive.destroy(error),
  );
  return archive;
}

async function addAll(archive: Pack, files: readonly ContextFile[]): Promise<void> {
  for (const { name, mode, content } of files) {
    const mtime = new Date(0);
    if (content instanceof Uint8Array) {
      await new Promise<void>((resolve, reject) => {
        archive.entry({ name, mode, mtime }, Buffer.from(content), (error) =>
          error ? reject(error) : resolve(),
        );
      });
    } else {
      const entry = archive.entry({ name, mode, mtime, size: statSync(content.path).size });
      await pipeline(createReadStream(content.path), entry);
    }
  }
}
