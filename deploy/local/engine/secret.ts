import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The password kept in a folder; made at the first call. Only letters and digits, so that it fits into a URL. */
export function keptPassword(dir: string): string {
  mkdirSync(dir, { recursive: true });
  const path = join(dir, 'password');
  if (!existsSync(path)) writeFileSync(path, randomBytes(24).toString('hex'), { mode: 0o600 });
  return readFileSync(path, 'utf8');
}
