import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createNodeKey, type NodeKey } from '@cronium/contracts';
import { z } from 'zod';

/** Thrown when the state directory cannot be used; the message says what to do. */
export class StateDirError extends Error {
  override readonly name = 'StateDirError';
  readonly code: 'STATE_DIR_BUSY' | 'STATE_DIR_UNUSABLE';

  constructor(code: StateDirError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * Makes the folder, for this user alone.
 * @throws StateDirError
 */
export function ensureStateDir(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new StateDirError(
      'STATE_DIR_UNUSABLE',
      `the state directory ${path} cannot be made. Create it for this user, or set CRONIUM_STATE_DIR to another folder.`,
      { cause: error },
    );
  }
}

const storedKey = z.object({
  privateJwk: z.looseObject({ kty: z.string(), crv: z.string(), x: z.string(), d: z.string() }),
  publicJwk: z.looseObject({ kty: z.string(), crv: z.string(), x: z.string(), kid: z.string() }),
});

/**
 * Reads the node's Ed25519 key, or makes it the first time. The file is readable by its owner alone.
 * @throws StateDirError when the file is there and is not a key
 */
export async function loadNodeKey(stateDir: string): Promise<NodeKey> {
  const file = join(stateDir, 'node-key.json');
  if (!existsSync(file)) {
    writeOnce(file, JSON.stringify(await createNodeKey()));
  }
  chmodSync(file, 0o600);
  try {
    return storedKey.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    throw new StateDirError(
      'STATE_DIR_UNUSABLE',
      `${file} is not a node key. Remove it to get a new one; sidecars of running jobs then refuse this node's tokens.`,
      { cause: error },
    );
  }
}

/** Whole or not at all, even when the machine stops in the middle. */
function writeOnce(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600, flush: true });
  renameSync(`${file}.new`, file);
}
