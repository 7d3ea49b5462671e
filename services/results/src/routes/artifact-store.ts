import { createHash } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Where the bytes of artifacts are. */
export interface ArtifactStore {
  /** The largest artifact that is taken. */
  readonly maxBytes: number;
  /** Keeps the bytes outside of the database; false when they belong into it. */
  put(key: string, bytes: Buffer): Promise<boolean>;
  /** The bytes of what `put` kept; `undefined` when they are gone. */
  get(key: string): Promise<ReadableStream<Uint8Array> | undefined>;
  remove(key: string): Promise<void>;
}

/** Artifacts in PostgreSQL. */
export function databaseArtifacts(maxBytes: number): ArtifactStore {
  return { maxBytes, put: async () => false, get: async () => undefined, remove: async () => undefined };
}

/** Artifacts as files in a folder. Their names are hashes: nothing that a job chose ever is a part of a path. */
export function folderArtifacts(folder: string, maxBytes: number): ArtifactStore {
  const fileOf = (key: string) => {
    const name = createHash('sha256').update(key).digest('hex');
    return { dir: join(folder, name.slice(0, 2)), file: join(folder, name.slice(0, 2), name) };
  };
  return {
    maxBytes,
    async put(key, bytes) {
      const { dir, file } = fileOf(key);
      await mkdir(dir, { recursive: true, mode: 0o700 });
      await writeDurably(file, bytes);
      return true;
    },
    async get(key) {
      try {
        const handle = await open(fileOf(key).file);
        return ReadableStream.from(handle.createReadStream()) as ReadableStream<Uint8Array>;
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
        throw error;
      }
    },
    remove: (key) => rm(fileOf(key).file, { force: true }),
  };
}

async function writeDurably(file: string, bytes: Buffer): Promise<void> {
  const draft = `${file}.${process.pid}.${performance.now()}`;
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
}
