/**
 * Writes the secrets that compose.yaml needs to a .env file, once.
 *
 *   node deploy/local/ensure.mjs deploy/compose/env.ts
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The variables of a .env file; lines that are no `NAME=value` are left out. */
export function parseEnv(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const match = /^([A-Z][A-Z0-9_]*)=(.*)$/.exec(line);
      return match?.[1] === undefined ? [] : [[match[1], match[2] ?? '']];
    }),
  );
}

/** Fresh secrets, and which images to use. */
export function newEnv(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  const secret = () => randomBytes(24).toString('hex');
  return {
    CRONIUM_API_KEY: `ck_${secret()}`,
    CRONIUM_VALKEY_PASSWORD: secret(),
    CRONIUM_POSTGRES_PASSWORD: secret(),
    CRONIUM_SECRETS_KEY: randomBytes(32).toString('base64'),
    ...more,
  };
}

/** Adds to the file what it lacks; what stands there stays. Only this user may read it. */
export function ensureEnv(path: string, more: Readonly<Record<string, string>> = {}): Record<string, string> {
  const before = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const known = parseEnv(before);
  const added = Object.entries(newEnv(more)).filter(([name]) => !Object.hasOwn(known, name));
  if (added.length > 0) {
    const lead = before === '' || before.endsWith('\n') ? before : `${before}\n`;
    writeFileSync(path, `${lead}${added.map(([name, value]) => `${name}=${value}\n`).join('')}`, {
      mode: 0o600,
    });
  }
  return { ...Object.fromEntries(added), ...known };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const path = resolve(import.meta.dirname, '../../.env');
  ensureEnv(path);
  process.stdout.write(`${path} holds the secrets of compose.yaml.\n`);
}
